"""A batch of prompts with different numbers of images is answered as each prompt alone, by every family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import transformers
from packaging.version import Version
from processors import WORDS, missing, picture, processor_of
from zoo import ZOO

from lens_models.encoding import encodable_together, encode_texts
from lens_models.generation import generated_columns

pytestmark = [
    pytest.mark.skipif(
        Version(transformers.__version__) < Version("5"),
        reason="processors of transformers 4 ask for tokenizers of their own classes",
    ),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
]
COUNTS = [(1, 1), (2, 1), (0, 1, 2), (2, 0), (1, 2, 1)]
WITHOUT_TEXT_ALONE = ("paligemma",)
"""Processors that take no prompt without an image."""


def said(
    model: Any, processor: Any, texts: Sequence[str], images: Sequence[Sequence[Any]]
) -> list[tuple[list[int], torch.Tensor]]:
    """Tokens and the logits `[steps, vocabulary]` they were chosen by, of each prompt."""
    found: dict[int, tuple[list[int], torch.Tensor]] = {}
    for rows in encodable_together(processor, [len(own) for own in images]):
        inputs = encode_texts(processor, [texts[row] for row in rows], images=[images[row] for row in rows])
        with torch.no_grad():
            made = model.generate(
                **inputs, max_new_tokens=3, do_sample=False, output_logits=True, return_dict_in_generate=True
            )
        tokens = generated_columns(made.sequences, inputs).tolist()
        logits = torch.stack(made.logits, dim=1)
        found.update({row: (tokens[place], logits[place]) for place, row in enumerate(rows)})
    return [found[row] for row in range(len(texts))]


@pytest.mark.parametrize("family", sorted(ZOO))
def test_rows_with_none_one_and_two_images_are_answered_as_alone(family: str) -> None:
    if package := missing(family):
        pytest.skip(f"the processor of {family} needs the package {package}")
    processor, placeholder = processor_of(family)
    model = ZOO[family].build()
    pictures = [picture(number) for number in range(6)]
    for counts in COUNTS:
        if 0 in counts and family in WITHOUT_TEXT_ALONE:
            continue
        own = iter(pictures)
        images = [[next(own) for _ in range(count)] for count in counts]
        texts = [" ".join([*[placeholder] * count, *WORDS[: 3 + 2 * row]]) for row, count in enumerate(counts)]
        for row, (tokens, logits) in enumerate(said(model, processor, texts, images)):
            ((alone_tokens, alone_logits),) = said(model, processor, [texts[row]], [images[row]])
            spread = float(alone_logits.max() - alone_logits.min())
            assert tokens == alone_tokens
            assert float((logits - alone_logits).abs().max()) < 1e-4 * spread, (counts, row)
            if images[row]:  # the comparison would see another row's pictures
                ((_, other),) = said(model, processor, [texts[row]], [pictures[-len(images[row]) :]])
                assert float((other - alone_logits).abs().max()) > 1e-3 * spread
