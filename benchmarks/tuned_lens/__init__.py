"""The tuned lens of this repository against the package tuned-lens, trained by its own loop on the same text."""
