"""Whole evaluations: the lens model, lens off and on, beside the stock wrappers of both harnesses."""
