"""Build the untrained Qwen2-Audio model with its processor, and save the two as an ordinary Hugging Face folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

from lens_tasks.scenes.sounds.questions import LANGUAGES, LETTERS, QUESTIONS, prompt
from lens_tasks.scenes.sounds.waves import RATE
from training.model import TextShape, greedy, halve_weights
from training.tokenizer import train_qwen_tokenizer

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|audio_bos|>",
    "<|AUDIO|>",
    "<|audio_eos|>",
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'audio' or 'audio' in content or 'audio_url' in content %}"
    "<|audio_bos|><|AUDIO|><|audio_eos|>\n"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_PLAIN = """user assistant system You are a helpful assistant the of in is it sound sounds audio clip heard
yes no Answer Question Options letter word digit да нет Ответ Вопрос вопрос ответ звук звука в на и или буква слово
цифра"""


@dataclass(frozen=True)
class Shape(TextShape):
    """Sizes of the model. Two seconds are 100 frames of the spectrogram, and 25 audio tokens."""

    audio_width: int = 128
    audio_layers: int = 4
    audio_inner: int = 320
    mel_bins: int = 48
    hop: int = 320
    window: int = 640
    seconds: int = 2
    vocabulary: int = 768


def train_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer whose words are those of sound_mini."""
    return train_qwen_tokenizer(_corpus(), vocabulary, special=SPECIAL, chat_template=CHAT_TEMPLATE, max_length=2048)


def _corpus() -> list[str]:
    """All prompts, and the answers with and without a space before and a capital."""
    texts = _PLAIN.split() * 20
    for name, question in QUESTIONS.items():
        for language in LANGUAGES:
            words = list(question.answers[language].values())
            texts += [prompt(name, language, options) for options in ((), words[:4], words[-4:])] * 30
            for word in (*words, *LETTERS):
                for form in {word, word.capitalize()}:
                    texts += [form, f" {form}"] * 100
    return texts


def build_model(shape: Shape, tokenizer: PreTrainedTokenizerFast) -> Qwen2AudioForConditionalGeneration:
    """Fresh weights; residual outputs are scaled down with depth so that training is steady at 1e-3."""
    config = Qwen2AudioConfig(
        audio_config={
            "num_mel_bins": shape.mel_bins,
            "encoder_layers": shape.audio_layers,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": shape.audio_inner,
            "d_model": shape.audio_width,
            "max_source_positions": shape.seconds * RATE // shape.hop // 2,
        },
        text_config=shape.settings(tokenizer) | {"model_type": "qwen2", "tie_word_embeddings": False},
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        tie_word_embeddings=False,
    )
    config._attn_implementation = "sdpa"
    model = Qwen2AudioForConditionalGeneration(config).float()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2 and "embed_" not in name and "lm_head" not in name:
                weight.normal_(0.0, weight.shape[1] ** -0.5)
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.mul_((2 * shape.layers) ** -0.5)
            if name.endswith(("out_proj.weight", "fc2.weight")):
                weight.mul_((2 * shape.audio_layers) ** -0.5)
        positions = model.model.audio_tower.embed_positions.weight
        positions.copy_(_sinusoids(*positions.shape))
    return model


def _sinusoids(length: int, width: int) -> torch.Tensor:
    """Whisper's positions: sines, then cosines, of wavelengths in geometric progression."""
    scale = np.log(10_000) / (width // 2 - 1)
    angles = np.arange(length)[:, None] * np.exp(-scale * np.arange(width // 2))[None]
    return torch.from_numpy(np.concatenate([np.sin(angles), np.cos(angles)], axis=1)).float()


def build_processor(shape: Shape, tokenizer: PreTrainedTokenizerFast) -> Qwen2AudioProcessor:
    """Whisper's front end with few mel bins, a frame each 20 ms, and clips of at most two seconds."""
    extractor = WhisperFeatureExtractor(
        feature_size=shape.mel_bins,
        sampling_rate=RATE,
        hop_length=shape.hop,
        chunk_length=shape.seconds,
        n_fft=shape.window,
        return_attention_mask=True,
    )
    return Qwen2AudioProcessor(extractor, tokenizer, chat_template=tokenizer.chat_template)


def save_folder(model: Qwen2AudioForConditionalGeneration, processor: Qwen2AudioProcessor, folder: Path) -> None:
    """Write config, weights (float16, to be loaded as float32), tokenizer, processor and generation settings."""
    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config = greedy(model.config.text_config)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    processor.feature_extractor.save_pretrained(folder)  # where transformers 4 looks for it
    _both_versions(folder / "config.json")
    _both_versions(folder / "tokenizer_config.json")
    halve_weights(folder)
    (folder / "model.safetensors").chmod(0o644)


def _both_versions(path: Path) -> None:
    """Name what transformers 4 reads beside version 5's names."""
    values = json.loads(path.read_text(encoding="utf-8"))
    if path.name == "tokenizer_config.json":
        values["additional_special_tokens"] = values.pop("extra_special_tokens")
        values["tokenizer_class"] = "PreTrainedTokenizerFast"
        values["model_input_names"] = ["input_ids", "attention_mask"]  # the model takes no token types
    else:
        values["text_config"]["rope_theta"] = 10000.0
        for part in (values, values["text_config"], values["audio_config"]):
            part["dtype"] = part["torch_dtype"] = "float32"
    path.write_text(json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
