"""Why a model type is refused or cannot be built here, where the error message alone would not say it."""

from __future__ import annotations

__all__ = ["REASONS"]

_STREAMS = (
    "its layers carry several parallel residual streams (hyper-connections: [batch, sequence, streams, d]) that are "
    "mixed only at the end, so no single vector is what the final norm reads"
)

REASONS: dict[str, str] = {
    "emu3": (
        "Emu3ForConditionalGeneration.forward of transformers 4.57 does not hand pixel_values on to its model, so the "
        "image changes no logit"
    ),
    "evolla": (
        "EvollaForProteinText2Text takes protein sequences (protein_input_ids) and no image, and its configuration is "
        "not accepted: AutoModelForImageTextToText.from_config(EvollaConfig()) raises ValueError, Unrecognized "
        "configuration class"
    ),
    "glm5_next": _STREAMS,
    "inkling2": (
        "what its final norm reads is a learned attention over the outputs of several earlier blocks "
        "(Inkling2BlockAttentionResidual, called final_input), so the last layer's output is not the whole state and "
        "no single vector is"
    ),
    "pixtral": (
        "the type names the vision tower alone: PixtralVisionConfig has no text model, so no "
        "LlavaForConditionalGeneration can be made of it; Pixtral checkpoints are of the type llava"
    ),
    "qwen4_exp": (
        "its layers carry four residual streams side by side in one vector (hidden_states.repeat(1, 1, hc_count)), "
        "which hyper_connection_mixer joins only at the end, so no single vector is what the head reads"
    ),
}
