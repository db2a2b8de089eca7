"""Make the default configuration of any vision-language model type tiny, by rules on the names of its numbers."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.version import Version
from transformers import CONFIG_MAPPING, PretrainedConfig, __version__

from .overrides import INIT, INIT_4, OVERRIDES, OVERRIDES_4

__all__ = ["IMAGE", "VOCABULARY", "assign", "shrunk_config"]

VOCABULARY = 160
IMAGE = 150
_FIRST_SPECIAL = 120
_TEXT_LAYERS = 4
_OTHER_LAYERS = 2
_HEAD_DIM = 8
_SIDE = 32

_SIZES: dict[int, str] = {
    32: "hidden_size d_model embed_dim projection_dim out_hidden_size text_hidden_size vision_hidden_size output_dim "
    "encoder_hidden_size projector_hidden_size word_embed_proj_dim image_text_hidden_size decoder_hidden_size "
    "adapter_in_dim adapter_out_dim adapter_input_size pooler_output_size projection_hidden_dim "
    "projector_input_dim projector_output_dim position_embedding_size image_token_embed_dim output_channels "
    "moe_hidden_size projection_hidden_size ple_embed_dim latent_dim",
    48: "intermediate_size ffn_dim d_ff mlp_dim encoder_ffn_dim decoder_ffn_dim moe_intermediate_size "
    "intermediate_size_mlp dense_intermediate_size shared_expert_intermediate_size shared_experts_intermediate_size "
    "moe_shared_expert_intermediate_size shared_intermediate_size share_expert_dim alignment_intermediate_size "
    "projection_intermediate_size downsample_hidden_size",
    4: "num_attention_heads num_heads attention_heads encoder_attention_heads decoder_attention_heads "
    "num_sliding_attention_heads swa_num_attention_heads resampler_n_heads resampler_heads conf_num_attention_heads "
    "linear_num_value_heads linear_num_heads n_routed_experts num_experts num_local_experts moe_num_experts n_heads "
    "resampler_n_latents resampler_num_latents num_query_tokens latent_query_num hidden_size_per_layer_input "
    "mm_tokens_per_image",
    2: "num_key_value_heads swa_num_key_value_heads num_global_key_value_heads linear_num_key_heads index_n_heads "
    "num_experts_per_tok moe_k moe_topk resampler_depth num_layers_per_block num_cls_tokens",
    1: "n_shared_experts moe_num_shared_experts n_group topk_group num_global_layers first_k_dense_replace",
    _HEAD_DIM: "head_dim swa_head_dim global_head_dim d_kv qk_nope_head_dim qk_rope_head_dim v_head_dim index_head_dim "
    "linear_key_head_dim linear_value_head_dim linear_head_dim mamba_head_dim resampler_dim_head resampler_head_dim "
    "mamba_num_heads ssm_state_size chunk_size rotary_dim d_rel patch_size",
    16: "kv_lora_rank q_lora_rank qk_head_dim hc_lowrank laurel_rank n_mel_bins num_mel_bins query_pre_attn_scalar",
    64: "index_topk sliding_window sliding_window_size attention_chunk_size rel_extent",
    192: "patch_embed_hidden_size",
    256: "max_position_embeddings max_source_positions max_2d_position_embeddings",
}
_BY_NAME = {name: size for size, names in _SIZES.items() for name in names.split()}
_LAYER_COUNTS = (
    *("num_hidden_layers", "depth", "n_layers", "layers", "encoder_layers", "decoder_layers", "num_layers"),
    *("num_decoder_layers", "conf_num_hidden_layers"),
)
_IMAGE_SIZES = ("image_size", "max_image_size", "max_img_size", "min_image_size")
# transformers 5 renamed it
_OLD = Version(__version__).major < 5
_ROPE = "rope_scaling" if _OLD else "rope_parameters"
_OTHER_ROLES = ("vision", "audio", "vq", "sam", "qformer", "perceiver", "encoder", "protein", "dac")


def shrunk_config(model_type: str, side: int = _SIDE) -> PretrainedConfig:
    """The default configuration of a model type with tiny numbers in place of its large ones; `side` of a picture."""
    arguments = INIT.get(model_type, {}) | (INIT_4.get(model_type, {}) if _OLD else {})
    config = CONFIG_MAPPING[model_type](**copy.deepcopy(arguments))
    for path, part in _walk(config, ""):
        _shrink(part, side, is_text=not any(role in path for role in _OTHER_ROLES))
    _renumber_tokens(config)
    values = OVERRIDES.get(model_type, {}) | (OVERRIDES_4.get(model_type, {}) if _OLD else {})
    for path, value in values.items():
        assign(config, path.replace("rope_parameters", _ROPE), value)
    return config


def _walk(config: PretrainedConfig, path: str) -> Iterator[tuple[str, PretrainedConfig]]:
    yield path, config
    for name, value in list(vars(config).items()):
        if isinstance(value, PretrainedConfig):
            yield from _walk(value, f"{path}.{name}")


def _shrink(config: PretrainedConfig, side: int, *, is_text: bool) -> None:
    n_layers = _TEXT_LAYERS if is_text else _OTHER_LAYERS
    for name, value in list(vars(config).items()):
        if isinstance(value, bool) or value is None:
            continue
        made = _small_number if isinstance(value, int) else _small_list
        small = made(name, value, n_layers, side)
        if name.startswith("rope") and isinstance(value, dict):
            small = _small_rope(value, _rotary_pairs(config, value))
        if small is not None:
            _set(config, name, small)


def _small_number(name: str, value: int, n_layers: int, side: int) -> int | None:
    if name in _LAYER_COUNTS:
        return min(value, n_layers)
    if name in _BY_NAME and value > 0:
        return min(value, _BY_NAME[name])
    return {"vocab_size": VOCABULARY}.get(name, side if name in _IMAGE_SIZES else None)


def _small_list(name: str, value: Any, n_layers: int, side: int) -> Any:
    if not isinstance(value, list | tuple):
        return None
    if name in _IMAGE_SIZES:
        return [side] * len(value)
    if name == "patch_size":
        return [8] * len(value)
    if name == "image_grid_pinpoints":
        return [[side, side]]
    return _cut(list(value), n_layers) if name.endswith(("layer_types", "layers_block_type")) else None


def _cut(kinds: list[str], n_layers: int) -> list[str]:
    """As many entries as layers, with every kind that occurs."""
    distinct = list(dict.fromkeys(kinds))
    return (distinct + kinds)[:n_layers] if kinds else kinds


def _rotary_pairs(config: PretrainedConfig, rope: Mapping[str, Any]) -> int:
    values = vars(config)
    head_dim = values.get("head_dim") or values.get("hidden_size", 32) // 4
    partial = rope.get("partial_rotary_factor", values.get("partial_rotary_factor")) or 1.0
    return max(1, int(head_dim * partial) // 2)


def _small_rope(rope: Mapping[str, Any], pairs: int) -> dict[str, Any]:
    """The same kind of rotary embedding, its sections scaled to the number of pairs."""
    out = dict(rope)
    for name, value in rope.items():
        if isinstance(value, dict):
            out[name] = _small_rope(value, pairs)
        if name == "mrope_section":
            first = [max(0, math.floor(part * pairs / sum(value))) for part in value]
            out[name] = [*first[:-1], pairs - sum(first[:-1])]
    return out


def _renumber_tokens(config: PretrainedConfig) -> None:
    """Special tokens inside the small vocabulary: the same name has the same id everywhere."""
    given: dict[str, int] = {}
    for _, part in _walk(config, ""):
        for name, value in list(vars(part).items()):
            if isinstance(value, bool) or not isinstance(value, int) or not name.endswith(_TOKEN_ENDINGS):
                continue
            stem = name.removesuffix("_index").removesuffix("_id")
            if stem in ("image_token", "img_token", "image_patch"):
                _set(part, name, IMAGE)
            elif stem == "pad_token":
                _set(part, name, 0)
            elif stem in ("bos_token", "decoder_start_token"):
                _set(part, name, 1)
            elif stem == "eos_token":
                _set(part, name, 2)
            elif value >= _FIRST_SPECIAL:
                _set(part, name, given.setdefault(stem, _FIRST_SPECIAL + len(given)))


_TOKEN_ENDINGS = ("_token_id", "_token_index", "_patch_id", "_start_id", "_end_id", "_newline_id")


def _set(config: PretrainedConfig, name: str, value: Any) -> None:
    old = vars(config)[name]
    setattr(config, name, tuple(value) if isinstance(old, tuple) else value)


def assign(config: Any, path: str, value: Any) -> None:
    """Set the value at a dotted path of a configuration; a mapping that names its type becomes a configuration."""
    if isinstance(value, dict) and "model_type" in value:
        kind = CONFIG_MAPPING[value["model_type"]]
        value = kind(**{key: each for key, each in value.items() if key != "model_type"})
    *parents, name = path.split(".")
    for parent in parents:
        config = config[parent] if isinstance(config, dict) else getattr(config, parent)
    if isinstance(config, dict):
        config[name] = value
    else:
        setattr(config, name, value)
