"""One of two processes that hold a model together; run by test_tensor_parallel.py under torch.distributed.run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from transformers import AutoModelForImageTextToText

from lens_models import LogitLens
from lens_models.probes import ResidualCapture


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    model = AutoModelForImageTextToText.from_pretrained(folder / "model", tp_plan="auto").eval()
    inputs = torch.load(folder / "inputs.pt")
    lens = LogitLens(model, inputs)
    generation = lens.generate(inputs, max_new_tokens=2, do_sample=False)
    check = lens.check(generation)
    assert check is not None
    with torch.no_grad(), ResidualCapture(lens.parts) as trace:
        model(**inputs)
    rank = dist.get_rank()
    weight = model.lm_head.weight
    here = weight.to_local() if hasattr(weight, "to_local") else weight
    said = {"exact": lens.identity.exact and check.exact, "forced": lens.forcing.way, "head_rows_here": here.shape[0]}
    (folder / f"rank{rank}.json").write_text(json.dumps(said))
    torch.save(lens.logits(trace.steps[0][:, 0]), folder / f"rank{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
