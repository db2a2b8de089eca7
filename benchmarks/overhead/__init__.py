"""What the lens adds to a generation, beside what other ways to the same readout add."""
