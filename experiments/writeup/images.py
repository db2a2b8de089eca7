"""What blank and shuffled images do."""

from __future__ import annotations

from experiments.writeup.material import MAIN, Material
from lens_report.presentation.document.blocks import Block, Section, paragraph, say
from lens_report.presentation.findings.inputs import control_blocks


def image_section(material: Material, pictures: tuple[Block, ...]) -> Section:
    """The controls of the main run."""
    sections = tuple(Section(task, control_blocks(one)) for task, one in material.of(MAIN).items())
    text = paragraph(
        say(
            "Each answer was read again, teacher-forced, with a blank image of the same size and with the image of "
            "another document of another cluster."
        )
    )
    return Section("What the image does", (*text, *pictures), sections)
