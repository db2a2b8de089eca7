"""Controls: the same answer read again under another image, in every harness alike."""

from .image_controls import CONTROL_NAMES, ImageControls, joined_costs

__all__ = ["CONTROL_NAMES", "ImageControls", "joined_costs"]
