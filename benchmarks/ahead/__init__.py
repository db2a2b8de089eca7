"""How much of the host's work is done while the device answers."""
