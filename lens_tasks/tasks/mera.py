"""What a harness needs to run tasks in MERA's format: prompt, image, scores.

A document has `instruction` (with `<image>` and `{question}`), `inputs`, `outputs` and `meta`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from lens_tasks.documents import nested
from lens_tasks.images import PLACEHOLDER, to_image
from lens_tasks.scoring import short_answer_scores
from lens_tasks.tasks import ruclevr, rucommonvqa, weird


def prompt(doc: Mapping[str, Any]) -> str:
    """The instruction filled in, with `<image>` where the image belongs: what lm-eval's `doc_to_text` gives."""
    return str(doc["instruction"]).format(**doc["inputs"])


def doc_to_text(doc: Mapping[str, Any]) -> str:
    """The prompt without the placeholder, for models that take images and text apart."""
    return prompt(doc).replace(PLACEHOLDER, "")


def doc_to_image(doc: Mapping[str, Any]) -> list[Image.Image]:
    """The document's one image, from `image` if that column is there, else from `inputs`."""
    value = doc.get("image")
    return [to_image(nested(doc, "inputs", "image") if value is None else value)]


def doc_to_messages(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One user turn with the image at its place in the text, as lm-eval's chat template puts it."""
    images = doc_to_image(doc)
    content: list[dict[str, Any]] = []
    for index, part in enumerate(prompt(doc).split(PLACEHOLDER)):
        if index and images:
            content.append({"type": "image", "url": images.pop(0)})
        if part:
            content.append({"type": "text", "text": part})
    return [{"role": "user", "content": content}]


def ruclevr_process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Scores of `lens_tasks.scoring` against ruCLEVR's vocabulary."""
    return short_answer_scores(results[0], ruclevr.target(doc), doc_to_text(doc))


def weird_process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Scores of `lens_tasks.scoring` against the document's options A and B."""
    return short_answer_scores(results[0], weird.target(doc), doc_to_text(doc))


def rucommonvqa_process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Scores of `lens_tasks.scoring` against the document's list of right answers."""
    return short_answer_scores(results[0], rucommonvqa.target(doc), doc_to_text(doc))


def lift_images(dataset: Any) -> Any:
    """A `datasets.Dataset` with the nested image moved to a column `image`, its path left in `inputs.image`.

    The harnesses drop image columns from scoring and sample logs, but do not look inside structures: without this
    every logged sample would carry the bytes of its picture.
    """
    from datasets import Image as ImageFeature  # deferred: this module is imported where `datasets` is not needed
    from datasets import Value

    if "image" in dataset.column_names or "image" not in dataset.features["inputs"]:
        return dataset
    features = dataset.features.copy()
    features["inputs"] = {**features["inputs"], "image": Value("string")}
    features["image"] = ImageFeature()
    return dataset.map(_lifted, features=features)


def _lifted(doc: Mapping[str, Any]) -> dict[str, Any]:
    image = nested(doc, "inputs", "image")
    path = image.get("path") if isinstance(image, Mapping) else getattr(image, "filename", None)
    return {"inputs": {**doc["inputs"], "image": path or None}, "image": image}
