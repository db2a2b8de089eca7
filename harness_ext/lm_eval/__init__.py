"""The adapter for lm-eval and the MERA fork of it: `lm-eval-lens --model hf-multimodal-lens`."""
