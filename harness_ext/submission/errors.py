"""What can be wrong with a submission.

SubmissionError
├── NoAnswersError          nothing to pack
├── ArchiveFormatError      a file that is not in MERA's format
├── IncompleteAnswersError  documents without an answer      (ids)
├── DuplicateAnswersError   documents with several answers   (ids)
└── AnswersDifferError      answers that the logs do not have (ids)
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AnswersDifferError",
    "ArchiveFormatError",
    "DuplicateAnswersError",
    "IncompleteAnswersError",
    "NoAnswersError",
    "SubmissionError",
]

_SHOWN = 20


class SubmissionError(ValueError):
    """A submission that must not be sent; the message says what was found and what to do."""


class NoAnswersError(SubmissionError):
    """The folder holds no samples of a MERA task."""


class ArchiveFormatError(SubmissionError):
    """A file of the archive or of the run is not in the expected format."""


class _AnswersError(SubmissionError):
    """Some answers of one file are wrong; `ids` names them all."""

    def __init__(self, where: str, ids: Sequence[int], what: str) -> None:
        self.ids = tuple(ids)
        shown = ", ".join(str(each) for each in self.ids[:_SHOWN])
        more = f" and {len(self.ids) - _SHOWN} more" if len(self.ids) > _SHOWN else ""
        super().__init__(f"{where}: {what}: {shown}{more}")


class IncompleteAnswersError(_AnswersError):
    """Documents of the task have no answer."""


class DuplicateAnswersError(_AnswersError):
    """Documents of the task have several answers."""


class AnswersDifferError(_AnswersError):
    """Answers of the archive are not those of its logs."""
