"""Adapters that bring the lens into lmms-eval, lm-eval and the MERA fork, and the `mmlens` command.

Importing this package registers nothing; `harness_ext.lmms_eval.plugin` and `harness_ext.lm_eval.plugin` do, when the
harness asks for them.
"""
