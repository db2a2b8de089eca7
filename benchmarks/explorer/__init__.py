"""How long the explorer of a large run takes to open, to filter and to search."""
