"""Heads and layers that are sharded over processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from close_readouts import assert_same_readout, readout_bounds
from tolerances import sums_of
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module
from zoo import WIDTH, Specimen

from lens_models import IdentityError, LogitLens, ReadoutRow, find_parts
from lens_models.forced_run import ONE_PASS
from lens_models.probes import ResidualCapture

WORKER = Path(__file__).parent / "tensor_parallel_worker.py"


@pytest.fixture
def one_process() -> Iterator[DeviceMesh]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def test_a_head_of_distributed_tensors_is_read_through_its_own_code(llava: Specimen, one_process: DeviceMesh) -> None:
    inputs = llava.inputs((6, 4))
    plain = LogitLens(llava.build(), llava.inputs())
    model = llava.build()
    parallelize_module(model, one_process, {"lm_head": ColwiseParallel(output_layouts=Replicate())})
    assert isinstance(model.lm_head.weight, DTensor)
    lens = LogitLens(model, llava.inputs())
    generation = lens.generate(inputs, max_new_tokens=3, do_sample=False)
    assert lens.check(generation).exact  # type: ignore[union-attr]
    assert lens.forcing.way == ONE_PASS, lens.forcing.reason
    expected = plain.generate(inputs, max_new_tokens=3, do_sample=False)
    assert torch.equal(generation.sequences, expected.sequences)
    rows = [ReadoutRow(expected.residual(1, 2), expected.new_tokens[1][2])]
    assert_same_readout(lens.read(rows)[0], plain.read(rows)[0], WIDTH, WIDTH)


def test_logits_that_stay_sharded_are_refused(llava: Specimen) -> None:
    """What one of two processes sees when the head's output is not gathered: the first half of the vocabulary."""
    model = llava.build()
    model.lm_head.register_forward_hook(lambda head, args, output: output[..., :80])
    with pytest.raises(IdentityError, match=r"'lm_head', gives 80 of its 160 logits: it is sharded over processes"):
        LogitLens(model, llava.inputs())


def test_logits_that_stay_distributed_tensors_are_refused(llava: Specimen, one_process: DeviceMesh) -> None:
    model = llava.build()
    style = ColwiseParallel(output_layouts=Shard(-1), use_local_output=False)
    parallelize_module(model, one_process, {"lm_head": style})
    with pytest.raises(IdentityError, match=r"'lm_head', gives its logits as a DTensor: it is .* not gathered"):
        LogitLens(model, llava.inputs())


@pytest.mark.slow
def test_two_processes_read_what_one_reads(llava: Specimen, tmp_path: Path) -> None:
    """transformers shards layers and head of the checkpoint over two processes; both read the whole vocabulary."""
    model = llava.build()
    model.save_pretrained(tmp_path / "model")
    inputs = llava.inputs()
    torch.save(inputs, tmp_path / "inputs.pt")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", str(WORKER)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [*command, str(tmp_path)], check=False, capture_output=True, text=True, timeout=280, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lens = LogitLens(model, inputs)
    with torch.no_grad(), ResidualCapture(find_parts(model)) as trace:
        model(**inputs)
    expected = lens.logits(trace.steps[0][:, 0])
    for rank in range(2):
        said: dict[str, Any] = json.loads((tmp_path / f"rank{rank}.json").read_text())
        assert said["head_rows_here"] == 80, "the head must be sharded, or nothing was shown"
        assert said["exact"]
        assert said["forced"] == ONE_PASS
        ours = torch.load(tmp_path / f"rank{rank}.pt")
        torch.testing.assert_close(
            ours, expected, **readout_bounds(expected, sums_of(model, inputs["input_ids"].shape[1]))
        )
