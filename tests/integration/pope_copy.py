"""A local copy of POPE's data set, as its users have one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from datasets import Dataset, Features, Image, Value
from PIL import Image as PILImage


def write_pope(home: Path) -> None:
    """`lmms-lab-encoder/POPE` in POPE's schema with its four splits, where the stock task looks for it from `home`."""
    folder = home / "lmms-lab-encoder" / "POPE"
    (folder / "Full").mkdir(parents=True)
    names = ("id", "question_id", "question", "answer", "image_source", "category")
    features = Features({name: Value("string") for name in names} | {"image": Image()})
    rng = np.random.default_rng(5)
    for path, category in (
        ("test-00000-of-00001.parquet", "adversarial"),
        ("Full/adversarial-00000-of-00001.parquet", "adversarial"),
        ("Full/popular-00000-of-00001.parquet", "popular"),
        ("Full/random-00000-of-00001.parquet", "random"),
    ):
        rows = [
            {
                "id": str(i),
                "question_id": str(i + 1),
                "question": f"Is there a {('snowboard', 'red cube', 'dining table')[i % 3]} in the image?",
                "answer": "yes" if i % 2 else "no",
                "image_source": f"COCO_val2014_{i // 6:012d}",
                "category": category,
                "image": PILImage.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)),
            }
            for i in range(12)
        ]
        Dataset.from_list(rows, features=features).to_parquet(str(folder / path))
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n    path: test-*\n"
        "- config_name: Full\n  data_files:\n"
        + "".join(f"  - split: {s}\n    path: Full/{s}-*\n" for s in ("adversarial", "popular", "random"))
        + "---\n"
    )
