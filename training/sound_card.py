"""Score a model on sound_mini and write its card: ``python -m training.sound_card --model DIR``.

Each question is asked with its sound, with the sound of another question of its type, with silence as long as the
sound, and without a sound. Greedy generation, by transformers alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
import torch
from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

from lens_report.stats import score_interval
from lens_tasks.folders import MINIS
from lens_tasks.scenes.sounds.questions import QUESTIONS
from lens_tasks.scenes.sounds.waves import RATE
from lens_tasks.scoring import exact_match
from lens_tasks.tasks.sound import doc_to_text, sound

TEXT = Path(__file__).with_name("sound_card.md")
VIEWS: Final = {"sound": "its sound", "other": "another sound", "silence": "silence", "nothing": "no sound"}
_SEED: Final = 2607
Sound = npt.NDArray[np.float32]


def other_sounds(documents: Sequence[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """(type, sound) -> another sound that is asked the same, by a chance cycle through the sounds of the type."""
    rng, found = np.random.default_rng(_SEED), {}
    for question in QUESTIONS:
        names = sorted({document["sound_name"] for document in documents if document["question_type"] == question})
        order = [names[int(place)] for place in rng.permutation(len(names))]
        found |= {(question, name): other for name, other in zip(order, order[1:] + order[:1], strict=True)}
    return found


def shown(documents: Sequence[dict[str, Any]], view: str) -> list[Sound | None]:
    """The sound of each question in a view."""
    others = other_sounds(documents)
    if view == "nothing":
        return [None] * len(documents)
    names = [document["sound_name"] for document in documents]
    if view == "other":
        names = [others[document["question_type"], name] for document, name in zip(documents, names, strict=True)]
    sounds = [sound(name) for name in names]
    return [np.zeros_like(each) for each in sounds] if view == "silence" else list(sounds)


@torch.inference_mode()
def answers(
    model: Any, processor: Any, documents: Sequence[dict[str, Any]], sounds: Sequence[Sound | None], batch: int = 41
) -> list[str]:
    """What the model says greedily."""
    said: list[str] = []
    for start in range(0, len(documents), batch):
        heard = [each for each in sounds[start : start + batch] if each is not None]
        part = [{"type": "audio"}] if heard else []
        texts = [
            processor.apply_chat_template(
                [{"role": "user", "content": [*part, {"type": "text", "text": doc_to_text(document)}]}],
                add_generation_prompt=True,
                tokenize=False,
            )
            for document in documents[start : start + batch]
        ]
        media = {"audio": heard, "sampling_rate": RATE} if heard else {}
        inputs = processor(text=texts, padding=True, return_tensors="pt", **media)
        made = model.generate(**inputs, max_new_tokens=6, do_sample=False)
        said += processor.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return said


def scores(folder: Path) -> pd.DataFrame:
    """The questions with a column for each view: 1.0 where the answer is right."""
    documents = pq.read_table(MINIS / "sound_mini.parquet").to_pylist()
    model = Qwen2AudioForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder)
    frame = pd.DataFrame(documents)
    for view in VIEWS:
        said = answers(model, processor, documents, shown(documents, view))
        frame[view] = [exact_match(text, [row["answer"]]) for text, row in zip(said, documents, strict=True)]
    return frame


def score_table(frame: pd.DataFrame) -> str:
    """Markdown: accuracy by type and form in each view, with 95 % intervals clustered by sound, and chance."""
    lines = [f"| type | answered by | asked | chance | {' | '.join(VIEWS.values())} |", f"|{' --- |' * 8}"]
    for question, asked in QUESTIONS.items():
        for form in ("letter", "word"):
            part = frame[(frame["question_type"] == question) & (frame["form"] == form)]
            chance = 1 / (min(4, len(asked.keys)) if form == "letter" else len(asked.keys))
            lines.append(_line([f"`{question}`", form, str(len(part)), f"{chance:.2f}"], part))
    for language in ("en", "ru"):
        part = frame[frame["language"] == language]
        lines.append(_line([f"all, {language}", "", str(len(part)), ""], part))
    return "\n".join([*lines, _line(["**all**", "", str(len(frame)), ""], frame)])


def _line(cells: list[str], part: pd.DataFrame) -> str:
    made = [score_interval(part[view], part["sound_name"]) for view in VIEWS]
    return f"| {' | '.join([*cells, *(f'{s.value:.2f} ({s.low:.2f}–{s.high:.2f})' for s in made)])} |"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="model folder to score, and to write the card to")
    parser.add_argument("--table", action="store_true", help="print the table alone")
    args = parser.parse_args()
    frame = scores(args.model)
    table = score_table(frame)
    if args.table:
        print(table)
        return
    model = Qwen2AudioForConditionalGeneration.from_pretrained(args.model)
    text = TEXT.read_text(encoding="utf-8").replace("{scores}", table)
    text = text.replace("{parameters}", f"{sum(each.numel() for each in model.parameters()):,}")
    (args.model / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
