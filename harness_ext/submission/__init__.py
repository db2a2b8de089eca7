"""MERA submission archives: written from a run of either harness, and checked.

`write_submission` makes the archive that MERA's own packer would make, and refuses what its server would count wrongly:
missing, duplicate or altered answers. `check_submission` proves an archive, ours or another.
"""

from .archive import write_submission
from .check import Submission, check_submission
from .errors import (
    AnswersDifferError,
    ArchiveFormatError,
    DuplicateAnswersError,
    IncompleteAnswersError,
    NoAnswersError,
    SubmissionError,
)
from .tasks import TASK_FILES

__all__ = [
    "TASK_FILES",
    "AnswersDifferError",
    "ArchiveFormatError",
    "DuplicateAnswersError",
    "IncompleteAnswersError",
    "NoAnswersError",
    "Submission",
    "SubmissionError",
    "check_submission",
    "write_submission",
]
