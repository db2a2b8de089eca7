"""The bundled model as what a chat server says, with the whole distribution of each of its steps kept aside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from chat_server import Said, question_of
from PIL import Image

from lens_engine.media import image_digest
from lens_models import load_model


@dataclass
class TinyChat:
    """Answers greedily.

    Attributes:
        steps: question and digests of its images -> log-probabilities of all tokens, [steps, vocabulary].
        most: tokens of an answer at most.
        listed: how many tokens of each step a server may list.
    """

    most: int = 64
    listed: int = 20
    loaded: Any = field(default_factory=lambda: load_model(device="cpu"))
    steps: dict[tuple[str, ...], torch.Tensor] = field(default_factory=dict)

    def __call__(self, messages: list[Any], images: list[Image.Image], body: dict[str, Any]) -> Said:
        processor, model = self.loaded.processor, self.loaded.model
        question = question_of(messages)
        content = [{"type": "image"} for _ in images] + [{"type": "text", "text": question.replace("<image>", "")}]
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = processor(
            text=[prompt], images=[image.convert("RGB") for image in images] or None, return_tensors="pt"
        )
        with torch.no_grad():
            found = model.generate(
                **inputs, max_new_tokens=self.most, do_sample=False, output_logits=True, return_dict_in_generate=True
            )
        logprobs = torch.log_softmax(torch.stack(found.logits)[:, 0].double(), dim=-1)
        new = found.sequences[0, inputs["input_ids"].shape[1] :].tolist()
        end = processor.tokenizer.eos_token_id
        new = new[: new.index(end)] if end in new else new
        self.steps[(question, *image_digest(images))] = logprobs
        return Said([self._listed(token, logprobs[step]) for step, token in enumerate(new)], bytes_of=_text)

    def _listed(self, token: int, logprobs: torch.Tensor) -> list[tuple[str, float]]:
        values, ids = logprobs.topk(self.listed)
        top = [(self._decode(each), value) for each, value in zip(ids.tolist(), values.tolist(), strict=True)]
        own = (self._decode(token), float(logprobs[token]))
        return [own, *(each for each in top if each != own)]

    def _decode(self, token: int) -> str:
        return str(self.loaded.processor.tokenizer.decode([token]))


def _text(token: str) -> bytes:
    return token.encode()
