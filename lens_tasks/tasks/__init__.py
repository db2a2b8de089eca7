"""The tasks that have answer targets, prompts or scores of their own, one module each."""
