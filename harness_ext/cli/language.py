"""`--lang`: in which language a report is written."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

__all__ = ["Lang", "Language"]


class Language(str, Enum):
    """Codes of `lens_report.presentation.language.LANGUAGES`."""

    en = "en"
    ru = "ru"


Lang = Annotated[Language, typer.Option("--lang", help="Language of what is written.")]
