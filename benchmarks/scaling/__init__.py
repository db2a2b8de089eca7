"""How time and disk grow with samples, layers, vocabulary and processes."""
