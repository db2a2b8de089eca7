"""`python -m harness_ext.lm_eval`, for `accelerate launch -m`."""

from harness_ext.lm_eval.cli import main

if __name__ == "__main__":
    main()
