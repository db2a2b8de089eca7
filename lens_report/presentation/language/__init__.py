"""Reports in other languages: the English text of a report is the key of its translation."""

from __future__ import annotations

from lens_report.presentation.language.catalogue import ENGLISH, LANGUAGES, Catalogue, catalogue
from lens_report.presentation.language.translation import translated, translated_figure

__all__ = ["ENGLISH", "LANGUAGES", "Catalogue", "catalogue", "translated", "translated_figure"]
