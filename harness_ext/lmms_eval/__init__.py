"""The adapter for lmms-eval: `lmms-eval --model hf-multimodal-lens`."""
