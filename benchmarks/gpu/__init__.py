"""What a GPU would say of the lens, in one command and a given number of minutes."""
