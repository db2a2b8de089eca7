"""Controls: the same answer read again under other images, or without some image tokens."""

from .causal import MASK_WAYS, PIXELS, CausalMasks, replacement
from .image_controls import (
    CONTROL_NAMES,
    ControlCost,
    ImageControls,
    controlled_record,
    controlled_records,
    joined_costs,
)
from .masks import MASK_NAMES, NoMaskError, masks_of_boxes
from .reading import BORROWED, ControlReading, OwnReading, ReadAgain

__all__ = [
    "BORROWED",
    "CONTROL_NAMES",
    "MASK_NAMES",
    "MASK_WAYS",
    "PIXELS",
    "CausalMasks",
    "ControlCost",
    "ControlReading",
    "ImageControls",
    "NoMaskError",
    "OwnReading",
    "ReadAgain",
    "controlled_record",
    "controlled_records",
    "joined_costs",
    "masks_of_boxes",
    "replacement",
]
