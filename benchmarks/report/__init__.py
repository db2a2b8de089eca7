"""How long the report of a large run takes."""
