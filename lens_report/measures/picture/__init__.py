"""Where in the picture: maps over image tokens against boxes, masks of image tokens, answers about absent objects."""

from __future__ import annotations

from lens_report.measures.picture.by_question import ByQuestion, QuestionLift
from lens_report.measures.picture.contrasts import ATTENTION, BOXES, NEAR, RELATIVE, SINKLESS, TRACK, WORDS, Contrast
from lens_report.measures.picture.hallucination import Detector, Hallucination
from lens_report.measures.picture.layers import LiftByLayer
from lens_report.measures.picture.other_question import OtherQuestion
from lens_report.measures.picture.section import Picture, Unmeasured, picture

__all__ = [
    "ATTENTION",
    "BOXES",
    "NEAR",
    "RELATIVE",
    "SINKLESS",
    "TRACK",
    "WORDS",
    "ByQuestion",
    "Contrast",
    "Detector",
    "Hallucination",
    "LiftByLayer",
    "OtherQuestion",
    "Picture",
    "QuestionLift",
    "Unmeasured",
    "picture",
]
