"""Do two folders of results say the same? ``python -m experiments.compare results OTHER``; exit code 1 when not.

Texts, scores and verdicts must be equal; readouts may differ by the rounding of the run's dtype.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lens_results import Run, load
from lens_results.record import LAYER_QUANTITIES, WIDE_QUANTITIES

TOLERANCE = 1e-3
"""Largest difference of a readout in nats (logits of about 10, float32, other orders of summation)."""
EXACT = ("task", "doc_id", "response", "correct", "pred_candidate", "gold_candidate", "status")
SKIPPED = ("rank_pred", "rank_gold", "topk_ids", "topk_logprobs")
"""Whole numbers and tokens change places where two logits are equal but for rounding."""


def differences(first: Run, second: Run) -> Iterator[str]:
    """What differs, in words."""
    if len(first) != len(second):
        yield f"{len(first)} and {len(second)} samples"
        return
    a, b = first.samples, second.samples
    for column in EXACT:
        one, other = (frame[column].astype(object).where(frame[column].notna(), None) for frame in (a, b))
        differing = sum(x != y for x, y in zip(one, other, strict=True))
        if differing:
            yield f"{column} differs in {differing} of {len(a)} samples"
    for quantity in (*LAYER_QUANTITIES, *WIDE_QUANTITIES):
        if quantity in SKIPPED:
            continue
        left, right = first.stack(quantity), second.stack(quantity)
        if left.shape != right.shape or (np.isnan(left) != np.isnan(right)).any():
            yield f"{quantity} is there in other places"
        elif np.nanmax(np.abs(left - right), initial=0.0) > TOLERANCE:
            yield f"{quantity} is off by up to {np.nanmax(np.abs(left - right)):.2e}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    args = parser.parse_args()
    names = sorted({path.parent.name for path in args.first.glob("*/lens_*.parquet")})
    wrong = 0
    for name in names:
        if not (args.second / name).is_dir():
            print(f"{name}: only in {args.first}")
            wrong += 1
            continue
        found = list(differences(load(args.first / name), load(args.second / name)))
        wrong += bool(found)
        print(f"{name}: {'; '.join(found) or 'the same'}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
