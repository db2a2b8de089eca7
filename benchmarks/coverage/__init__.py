"""Which vision-language architectures the lens reads: every model type that transformers maps, tiny and random."""
