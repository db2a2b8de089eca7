from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from built_models import built
from torch import nn
from zoo import Specimen

from lens_models import CaptureError, StepNotKeptError, find_parts
from lens_models.chain import check_chain
from lens_models.probes import ResidualCapture, resolve_layer_index


def hooks(model: nn.Module) -> set[int]:
    return {id(hook) for m in model.modules() for hook in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())}


@pytest.fixture
def model(llava: Specimen) -> Iterator[Any]:
    """A shared model; whatever a test does with it, the hooks after it are those before it."""
    model = built("llava")
    with torch.no_grad():
        model(**llava.inputs(), output_hidden_states=True)  # transformers places hooks of its own at the first run
    before = hooks(model)
    yield model
    assert hooks(model) == before


def test_hooks_go_after_a_run(model: Any, llava: Specimen) -> None:
    before = hooks(model)
    with ResidualCapture(find_parts(model)) as trace:
        assert len(hooks(model) - before) == 6  # before block 1, after each of 4 blocks, after the head
        model(**llava.inputs())
    assert hooks(model) == before
    assert trace.n_steps == 1


def test_hooks_go_after_an_exception_in_the_model(model: Any, llava: Specimen) -> None:
    inputs = llava.inputs()
    inputs["input_ids"] = inputs["input_ids"] + 10_000
    with pytest.raises(IndexError), ResidualCapture(find_parts(model)):
        model.generate(**inputs, max_new_tokens=2)


def test_hooks_go_after_an_exception_between_two_steps(model: Any, llava: Specimen) -> None:
    def stop(*args: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ResidualCapture(find_parts(model)) as trace:
        model.generate(**llava.inputs(), max_new_tokens=4, stopping_criteria=[stop])
    assert trace.n_steps == 1


@pytest.mark.parametrize("context", [ResidualCapture, check_chain])
def test_hooks_go_when_the_last_one_cannot_be_placed(model: Any, context: Any) -> None:
    class Unhookable(nn.Linear):
        def register_forward_hook(self, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("no hooks here")

        register_forward_pre_hook = register_forward_hook

    parts = find_parts(model)
    broken = replace(parts, head=Unhookable(32, 160), layers=(*parts.layers, Unhookable(32, 32)))
    with pytest.raises(RuntimeError, match="no hooks here"), context(broken):
        pass


def test_nested_captures_do_not_disturb_each_other(model: Any, llava: Specimen) -> None:
    parts = find_parts(model)
    with torch.no_grad(), ResidualCapture(parts) as outer:
        model(**llava.inputs())
        with ResidualCapture(parts, layer_index=(2,)) as inner:
            model(**llava.inputs((4,)))
        model(**llava.inputs())
    assert (outer.n_steps, inner.n_steps) == (3, 1)
    assert torch.equal(outer.steps[0], outer.steps[2])
    assert torch.equal(outer.steps[1][1], inner.steps[0][0])


def test_nothing_larger_than_the_predicting_position_stays_alive(model: Any, llava: Specimen) -> None:
    parts = find_parts(model)
    seen: list[weakref.ref[Any]] = []

    def watch(module: nn.Module, args: Any, output: Any) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        seen.append(weakref.ref(hidden.untyped_storage()))

    handles = [module.register_forward_hook(watch) for module in (*parts.layers, parts.head)]
    try:
        with torch.no_grad(), ResidualCapture(parts) as trace:
            model(**llava.inputs((3, 6)))
    finally:
        for handle in handles:
            handle.remove()
    gc.collect()
    assert len(seen) == 5
    assert all(reference() is None for reference in seen)
    assert trace.first_logits is not None
    for kept in (*trace.steps, trace.first_logits):
        assert kept.untyped_storage().nbytes() == kept.numel() * kept.element_size()
        assert not kept.requires_grad


@pytest.mark.parametrize(("steps_kept", "first", "last"), [(4, 2, 2), (5, 2, 3), (1, 1, 1), (0, 1, 1), (10, 10, 0)])
def test_a_long_generation_keeps_its_first_and_last_steps(
    model: Any, llava: Specimen, steps_kept: int, first: int, last: int
) -> None:
    parts = find_parts(model)
    with ResidualCapture(parts) as everything:
        model.generate(**llava.inputs((3, 6)), max_new_tokens=10)
    size = everything.steps[0].numel() * everything.steps[0].element_size()
    with ResidualCapture(parts, limit=size * steps_kept) as trace:
        model.generate(**llava.inputs((3, 6)), max_new_tokens=10)
    kept = [step for step in range(10) if trace.steps[step].numel()]
    assert kept == [*range(first), *range(10 - last, 10)]
    assert all(torch.equal(trace.steps[step], everything.steps[step]) for step in kept)
    for step in set(range(10)) - set(kept):
        with pytest.raises(
            StepNotKeptError, match=rf"step {step} of 10 was not kept: .* keeps the first {first} steps and the last"
        ):
            trace.residual(step, 0)


def test_gradients_are_not_kept(model: Any, llava: Specimen) -> None:
    with ResidualCapture(find_parts(model)) as trace:
        model(**llava.inputs())
    assert not trace.steps[0].requires_grad


def test_the_output_is_bitwise_the_same(specimen: Specimen) -> None:
    model = built(specimen.model_type)
    inputs = specimen.inputs((3, 6))
    with torch.no_grad():
        plain = model(**inputs).logits
        with ResidualCapture(find_parts(model)):
            captured = model(**inputs).logits
    assert torch.equal(plain, captured)


def test_layers_that_do_not_return_a_residual_stream(model: Any, llava: Specimen) -> None:
    parts = find_parts(model)

    class Flat(nn.Module):
        def forward(self, hidden: torch.Tensor) -> torch.Tensor:
            return hidden[0]

    broken = replace(parts, layers=(Flat(),))
    with (
        pytest.raises(CaptureError, match=r"layer 1 \(Flat\) of LlavaForConditionalGeneration returned \(5, 32\)"),
        ResidualCapture(broken),
    ):
        broken.layers[0](torch.zeros(1, 5, 32))


def test_a_head_without_layers(model: Any) -> None:
    parts = find_parts(model)
    with pytest.raises(CaptureError, match="without running its decoder layers"), ResidualCapture(parts):
        parts.head(torch.zeros(1, 1, 32))


@pytest.mark.parametrize(
    ("asked", "resolved"),
    [(None, (1, 2, 3, 4)), ((), (4,)), ((0,), (0, 4)), ((3, 1, 3), (1, 3, 4)), ((4,), (4,))],
)
def test_layer_numbers(asked: Any, resolved: tuple[int, ...]) -> None:
    assert resolve_layer_index(asked, 4) == resolved


def test_layer_numbers_out_of_range() -> None:
    with pytest.raises(CaptureError, match=r"layers \[5, -1\] do not exist; .* 0 \(embedding\) to 4"):
        resolve_layer_index((5, 2, -1), 4)
