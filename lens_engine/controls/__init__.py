"""Controls: the same answer read again under other images."""

from .image_controls import CONTROL_NAMES, ImageControls, joined_costs
from .reading import BORROWED, ControlReading, Controls, ReadAgain, controlled_record, counted_passes

__all__ = [
    "BORROWED",
    "CONTROL_NAMES",
    "ControlReading",
    "Controls",
    "ImageControls",
    "ReadAgain",
    "controlled_record",
    "counted_passes",
    "joined_costs",
]
