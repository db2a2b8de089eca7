"""Between the steps of a generation nothing waits for the device: no value is brought to the host for the lens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from built_models import built
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from zoo import IMAGE, ZOO

from lens_models import LensSettings, LogitLens
from lens_models.image_tokens import ImageTokens
from lens_models.interventions import Host, bound, interventions_of
from lens_models.probes import Step

N = 6
GREEDY: dict[str, Any] = {"max_new_tokens": N, "do_sample": False}
# what needs a value on the host: by name as Python calls it, and as torch's own code does beneath
CALLED = ("cpu", "item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__", "nonzero", "equal")
BENEATH = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "_unique2", "is_nonzero")


class _Calls(TorchFunctionMode):
    def __init__(self, seen: Callable[[str], None]) -> None:
        super().__init__()
        self._seen = seen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in CALLED:
            self._seen(name)
        # a device that is named by another tensor is that of the model, which is the processor here
        if name == "to" and any(
            isinstance(each, str) and each == "cpu" for each in (*args[1:], *(kwargs or {}).values())
        ):
            self._seen("to cpu")
        return func(*args, **(kwargs or {}))


class _Beneath(TorchDispatchMode):
    def __init__(self, seen: Callable[[str], None]) -> None:
        super().__init__()
        self._seen = seen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        mask = name == "index" and any(each is not None and each.dtype == torch.bool for each in args[1])
        if name in BENEATH or mask:
            self._seen(f"aten.{name}")
        return func(*args, **(kwargs or {}))


@contextmanager
def waits_by_step(model: nn.Module) -> Iterator[list[Counter[str]]]:
    """Of each pass of the model, what was asked of the host from its beginning to that of the next one."""
    found: list[Counter[str]] = [Counter()]
    first = next(module for module in model.modules() if type(module).__name__.endswith("DecoderLayer"))
    handle = first.register_forward_pre_hook(lambda *_: found.append(Counter()), prepend=True)

    def seen(name: str) -> None:
        found[-1][name] += 1

    try:
        with _Calls(seen), _Beneath(seen):
            yield found
    finally:
        handle.remove()


def waits(
    family: str, run: Callable[[LogitLens, Any], Any], *probes: str, passes: int = 1, before: int = 0
) -> list[Counter[str]]:
    """What is asked of the host from the second step to the last one, by step of so many passes.

    `before` are further passes over the prompt.
    """
    model, inputs = built(family), ZOO[family].inputs((3, 6))
    lens = LogitLens(model, ZOO[family].inputs(), LensSettings(probes=probes))
    assert not lens.refused_probes
    with waits_by_step(model) as found:
        run(lens, inputs)
    assert len(found) == N * passes + before + 1
    found = found[before:]
    steps = [sum(found[at : at + passes], Counter()) for at in range(1, len(found), passes)]
    return steps[1:-1]


def image_tokens(inputs: Any) -> list[ImageTokens]:
    token = built("llava").config.image_token_id
    places = [(row == token).nonzero().flatten().numpy() for row in inputs["input_ids"]]
    return [ImageTokens(own, own * 0, torch.zeros(len(own), 4).numpy()) for own in places]


def plainly(lens: LogitLens, inputs: Any) -> Any:
    return lens.model.generate(**inputs, **GREEDY)


@pytest.mark.parametrize("family", ["llava", "qwen2_vl", "gemma3"])
def test_the_lens_asks_nothing_of_the_device_between_steps(family: str) -> None:
    found = waits(family, lambda lens, inputs: lens.generate(inputs, **GREEDY))
    assert found == waits(family, plainly)


@pytest.mark.parametrize("probe", ["step_entropy", "attention", "image_tokens", "every_token"])
def test_nor_do_probes(probe: str) -> None:
    def run(lens: LogitLens, inputs: Any) -> Any:
        return lens.generate(inputs, image_tokens=image_tokens(inputs), **GREEDY)

    assert waits("llava", run, probe) == waits("llava", plainly)


@pytest.mark.parametrize(
    ("words", "passes", "before"),
    [
        *(("dola", 1, 0), ("deco", 1, 0), ("early_exit", 1, 0), ("vcd", 2, 0)),
        *(
            ("icd", 2, 0),
            ("pai", 2, 0),
            ("pai:0.2:gamma=1", 1, 0),
            ("adaptvis", 1, 1),
            ("vista", 1, 2),
            ("memvr", 1, 0),
        ),
    ],
)
def test_nor_do_interventions(words: str, passes: int, before: int) -> None:
    example = ZOO["llava"].inputs()
    unembedding = LogitLens(built("llava"), example, LensSettings()).unembedding
    made = bound(interventions_of(words), Host(unembedding, made_tokenizer, ((IMAGE,),), example))

    def run(lens: LogitLens, inputs: Any) -> Any:
        return lens.generate(inputs, interventions=made, **GREEDY)

    assert waits("llava", run, passes=passes, before=before) == waits("llava", plainly)


def made_tokenizer(text: str, add_special_tokens: bool) -> dict[str, list[int]]:
    return {"input_ids": [30, 31, 32]}


class _Impatient:
    """A probe that looks at a value of each step at once."""

    name = "impatient"

    def __init__(self, look: Callable[[Tensor], Any]) -> None:
        self._look = look

    @contextmanager
    def attach(self, parts: Any) -> Iterator[None]:
        yield

    def on_step(self, step: Step) -> None:
        self._look(step.logits)


@pytest.mark.parametrize(
    "look",
    [
        lambda logits: logits.max().item(),
        lambda logits: float(logits.sum()),
        lambda logits: logits.argmax(-1).tolist(),
        lambda logits: logits.cpu(),
        lambda logits: logits.to("cpu"),
        lambda logits: logits[logits > 0],
        lambda logits: torch.nonzero(logits),
        lambda logits: bool((logits > 0).all()),
        lambda logits: torch.equal(logits, logits),
    ],
)
def test_a_probe_that_does_is_found(look: Callable[[Tensor], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogitLens, "observers", lambda *_, **__: [_Impatient(look)])
    found = waits("llava", lambda lens, inputs: lens.generate(inputs, **GREEDY))
    plain = waits("llava", plainly)
    assert all(sum(own.values()) > sum(model.values()) for own, model in zip(found, plain, strict=True))
