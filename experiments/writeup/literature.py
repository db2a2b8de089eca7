"""Related work: what others read from the layers, and what these runs say about it."""

from __future__ import annotations

from lens_report.presentation.document.blocks import Section, Table, paragraph, say
from lens_report.presentation.document.shown import words

ROWS = (
    (
        "Interpreting GPT: the logit lens (nostalgebraist, LessWrong)",
        "hidden states through the final unembedding",
        "the readout used here",
        "here with the final norm, candidates of the question, and a check against the model's own logits",
        "",
    ),
    (
        "Eliciting Latent Predictions from Transformers with the Tuned Lens (arXiv 2303.08112)",
        "a learned affine map for each layer",
        "early layers with little candidate mass are where it would help most",
        "needs training for each model; the plain lens needs none and is exact at the end",
        "tuned maps with the same records and tests",
    ),
    (
        "DoLa: Decoding by Contrasting Layers Improves Factuality in Large Language Models (arXiv 2309.03883)",
        "final minus an early layer's log-probabilities",
        "computed from the records among the candidates: see the decoders",
        "the original contrasts the whole vocabulary at every step",
        "contrast only where the layers are unstable",
    ),
    (
        "Mitigating Object Hallucinations in Large Vision-Language Models through Visual Contrastive Decoding "
        "(arXiv 2311.16922)",
        "logits with the image minus with a distorted one",
        "image minus blank, with its strength chosen on other samples: see the decoders",
        "the original adds noise to the image; here it is removed",
        "the visual gain by layer says from which layer on a contrast can know anything",
    ),
    (
        "The Hidden Life of Tokens: Reducing Hallucination of Large Vision-Language Models via Visual Information "
        "Steering (VISTA, arXiv 2502.03628)",
        "ranks of grounded tokens over layers and steps; steering, and mixing of late layers into the output",
        "mean of the upper layers is its second part alone, restricted to candidates: see the decoders",
        "works on captions, where grounding fades over many steps; the answers here have one or two tokens",
        "visual gain by step on captioning tasks, with the same records",
    ),
    (
        "Understanding Language Prior of LVLMs by Contrasting Chain-of-Embedding (arXiv 2509.23050)",
        "distance of hidden states with and without the image by layer; the layer at which they part",
        "visual gain by layer is the same contrast, read at the answer in nats",
        "distance of states needs no candidates; ours says whether the difference moves the answer",
        "the layer of parting as a label-free metric beside visual gain",
    ),
    (
        "Context-Aware Decoding for Faithful Vision-Language Generation (arXiv 2601.05939)",
        "commitment depth: true tokens gather probability in earlier layers than hallucinated ones",
        "commit depth, tested as a predictor of errors alone and on top of final confidence: see the hypotheses",
        "captions, and no test beyond the probability that the model gives at the end",
        "commitment depth by step, with final confidence as the baseline",
    ),
    (
        "Devils in Middle Layers of Large Vision-Language Models: Interpreting, Detecting and Mitigating Object "
        "Hallucinations via Attention Lens (SVAR, arXiv 2411.16724)",
        "attention on image tokens in middle layers",
        "not recorded: the lens reads the residual stream, not attention",
        "attention says where is looked, the lens what is read",
        "both in one regression on top of final confidence",
    ),
    (
        "Interpreting and Editing Vision-Language Representations to Mitigate Hallucinations (Jiang et al., "
        "arXiv 2410.02762)",
        "internal confidence: the largest lens probability of an object over image tokens",
        "not recorded: the answer's position is read, not the image's",
        "answers where an object is seen; ours when an answer is decided",
        "image positions as a second reading position",
    ),
    (
        "Beyond Logit Lens: Contextual Embeddings for Robust Hallucination Detection and Grounding in VLMs "
        "(ContextualLens, arXiv 2411.19187)",
        "cosine of answer and image states of middle layers",
        "not recorded",
        "needs no output embedding, so it can see what the lens cannot; it has no exact end to be checked against",
        "as a label-free column beside the others, under the same test",
    ),
    (
        "GLSim: Detecting Object Hallucinations in LVLMs via Global-Local Similarity (arXiv 2508.19972)",
        "similarity of object token and image states",
        "not recorded",
        "a different readout; its figures are for captions, not for short answers",
        "as a label-free column beside the others, under the same test",
    ),
    (
        "Overthinking the Truth: Understanding how Language Models Process False Demonstrations (arXiv 2307.09476)",
        "answers right in middle layers that end wrong",
        "correct-then-lost, always beside wrong-then-corrected: see the hypotheses",
        "without the mirror the share cannot be told from movement in general",
        "the two shares by question type",
    ),
    (
        "How Multimodal LLMs Solve Image Tasks: A Lens on Visual Grounding, Task Reasoning, and Answer Decoding "
        "(arXiv 2508.20279)",
        "linear probes by layer under changed prompts",
        "three prompts of the same questions: see the prompts",
        "a probe says what could be read, the lens what the model's own output map reads",
        "probe and lens by layer on the same states",
    ),
    (
        "Visuals Lie, Consistency Speaks: Disentangling Spatial Attention from Reliability in Vision-Language Models "
        "(VRP, arXiv 2606.17389)",
        "reliability from attention structure, hidden states and agreement of sampled answers",
        "final confidence is the baseline that such signals must beat",
        "needs several samples of each answer or attention maps; here one greedy pass",
        "agreement of samples as a column on top of final confidence",
    ),
    (
        "Do Llamas Work in English? On the Latent Language of Multilingual Transformers (arXiv 2402.10588)",
        "share of English and target tokens by layer",
        "English equivalents of Russian answers: see English and Russian",
        "large pre-trained models; the model here was trained on both languages from nothing",
        "the same curves on real multilingual vision-language models",
    ),
)


def literature_section() -> Section:
    """The table."""
    columns = ("work", "quantity", "what these runs say", "where it differs", "what a combination would be")
    text = paragraph(
        say(
            "Titles and numbers are given so that each can be looked up. No figure of these works is compared with "
            "ours, since models, prompts and scorers differ."
        )
    )
    return Section(
        "Related work", (*text, Table("literature", columns, tuple(tuple(words(cell) for cell in row) for row in ROWS)))
    )
