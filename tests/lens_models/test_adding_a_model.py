"""The worked example of docs/adding-a-model.md runs and prints what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lens_models import IdentityError, LayoutRule, architectures, find_parts, prove_identity

PAGE = (Path(__file__).parent.parent.parent / "docs" / "adding-a-model.md").read_text()


def test_the_example_prints_what_the_page_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(architectures, "_RULES", dict(architectures._RULES))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {"__name__": "example"}
    exec(compile(code, "docs/adding-a-model.md", "exec"), names)
    assert capsys.readouterr().out == printed
    architectures.add_layout_rule("stack", LayoutRule("stack.stages", "stack.norm", "to_logits"))
    model, inputs = names["model"], names["inputs"]
    with pytest.raises(IdentityError, match="does not read StackForVision exactly"):
        prove_identity(model, find_parts(model), inputs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "quote",
    [
        "no decoder with a list of layers was found",
        "does something to the output of its head",
        "gave NaN or infinite logits",
        "expected one residual stream",
        "does not receive what layer",
        "give vectors of",
        "layer numbers would be off",
        "runs layer",
        "gives a vector other logits when other vectors stand beside it",
        "it is sharded over processes and its output is not gathered",
        "has no weights: they are on the device 'meta'",
    ],
)
def test_the_messages_that_the_page_quotes_exist(quote: str) -> None:
    assert quote in PAGE
    folder = Path(architectures.__file__).parent
    texts = [" ".join(file.read_text().split()) for file in folder.rglob("*.py")]
    assert any(quote in text.replace('" f"', "").replace('" "', "") for text in texts)
