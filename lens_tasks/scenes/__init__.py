"""Synthetic scenes in the manner of CLEVR, with exact ground truth, and the questions asked about them."""
