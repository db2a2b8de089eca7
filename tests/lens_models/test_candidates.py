from __future__ import annotations

import pytest
from small_tokenizers import byte_level_bpe, llama_bpe, unigram

from lens_models.candidates import FIRST_TOKEN, TEACHER_FORCED, candidate_tokens, variant_ids

YES_NO = [["yes", " yes", "Yes", " Yes", "YES", " YES"], ["no", " no", "No", " No", "NO", " NO"]]
DA_NET = [["да", " да", "Да", " Да"], ["нет", " нет", "Нет", " Нет"]]
TOKENIZERS = {"byte_level_bpe": byte_level_bpe(), "llama_bpe": llama_bpe(), "unigram": unigram()}


def pieces(tokenizer, ids):
    return [tokenizer.convert_ids_to_tokens(list(own)) for own in ids]


@pytest.mark.parametrize(
    ("name", "variants", "expected", "method"),
    [
        # "YES" is Y+E+S and "NO" is N+O: their first letters are theirs alone in this set
        ("byte_level_bpe", YES_NO, [["yes", "Ġyes", "Yes", "ĠYes", "Y"], ["no", "Ġno", "No", "ĠNo", "N"]], FIRST_TOKEN),
        ("llama_bpe", YES_NO, [["yes", "▁yes", "Yes", "▁Yes", "Y", "▁Y"], ["no", "▁no", "<0x4E>"]], FIRST_TOKEN),
        ("unigram", YES_NO, [["yes", "▁yes", "Yes", "▁Yes"], ["no", "▁no"]], FIRST_TOKEN),
        ("llama_bpe", DA_NET, [["да", "▁да"], ["н", "▁нет"]], FIRST_TOKEN),
        ("unigram", DA_NET, [["да", "▁да"], ["н", "▁нет"]], FIRST_TOKEN),
        # the space piece in front of a word belongs to nobody, the letter behind it does
        ("unigram", [["A", " A"], ["w", " w"]], [["A"], ["w"]], FIRST_TOKEN),
        # a one-token candidate keeps its token against a longer one that begins with it; the longer one has "ten"
        ("byte_level_bpe", [["1", " 1"], ["10", "ten"]], [["1", "Ġ1"], ["t"]], FIRST_TOKEN),
        ("byte_level_bpe", [["1", " 1"], ["10", " 10"]], [["1", "Ġ1"], []], TEACHER_FORCED),
        # byte fallback: the first byte of a Cyrillic letter is no letter
        ("llama_bpe", [["зеленый"], ["нет"]], [[], ["н"]], TEACHER_FORCED),
        # two longer forms that begin alike belong to nobody
        ("byte_level_bpe", [["Xa"], ["Xb"]], [[], []], TEACHER_FORCED),
        # the same token in two candidates belongs to nobody
        ("byte_level_bpe", [["yes", "A"], ["no", "A"]], [["yes"], ["no"]], FIRST_TOKEN),
        # no piece for the letter at all
        ("unigram", [["Ж"], ["yes"]], [[], ["yes"]], TEACHER_FORCED),
    ],
)
def test_ids_to_pool(name, variants, expected, method):
    tokenizer = TOKENIZERS[name]
    found = candidate_tokens(tokenizer, variants)
    assert [set(own) for own in pieces(tokenizer, found.ids)] == [set(own) for own in expected]
    assert found.method == method


@pytest.mark.parametrize("name", TOKENIZERS)
def test_ids_are_distinct_and_disjoint(name):
    found = candidate_tokens(TOKENIZERS[name], [*YES_NO, *DA_NET])
    flat = [token for own in found.ids for token in own]
    assert len(flat) == len(set(flat))


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("word", ["yes", "no", "да"])
def test_forms_with_and_without_space_are_what_a_text_holds(name, word):
    tokenizer = TOKENIZERS[name]
    text = tokenizer.encode(f"answer: {word}:{word}", add_special_tokens=False)
    for form in (f" {word}", word):
        ids = variant_ids(tokenizer, form)
        assert any(tuple(text[at : at + len(ids)]) == ids for at in range(len(text))), form


def test_homoglyphs_are_different_tokens_and_both_pooled():
    tokenizer = TOKENIZERS["llama_bpe"]
    found = candidate_tokens(tokenizer, [["A", "А"], ["B", "В"]])
    assert pieces(tokenizer, found.ids) == [["A", "А"], ["<0x42>", "В"]]


def test_sequences_keep_every_form_for_teacher_forcing():
    tokenizer = TOKENIZERS["byte_level_bpe"]
    found = candidate_tokens(tokenizer, [["1"], ["10", "ten"]])
    assert found.sequences[1] == (variant_ids(tokenizer, "10"), variant_ids(tokenizer, "ten"))
    assert tokenizer.decode(list(found.sequences[1][0])) == "10"


def test_no_special_tokens_are_counted():
    tokenizer = TOKENIZERS["llama_bpe"]
    assert not set(variant_ids(tokenizer, "yes")) & set(tokenizer.all_special_ids)


def test_collisions_name_the_candidates_and_the_token():
    found = candidate_tokens(TOKENIZERS["byte_level_bpe"], [["1"], ["10"]], labels=["one", "ten"])
    assert any("'1' begins one, ten; kept for one" in line for line in found.collisions)
    assert any("ten has no token of its own" in line for line in found.collisions)


def test_no_collisions_are_reported_where_there_are_none():
    assert candidate_tokens(TOKENIZERS["byte_level_bpe"], YES_NO).collisions == ()


def test_results_are_cached_per_tokenizer_and_variants():
    tokenizer = byte_level_bpe()
    first = candidate_tokens(tokenizer, YES_NO)
    assert candidate_tokens(tokenizer, [list(own) for own in YES_NO]) is first
    assert candidate_tokens(tokenizer, YES_NO, labels=["y", "n"]) is not first
    assert candidate_tokens(unigram(), YES_NO).ids != first.ids


def test_a_candidate_without_forms_is_an_error():
    with pytest.raises(ValueError, match="candidate 'b' has no surface form"):
        candidate_tokens(TOKENIZERS["unigram"], [["yes"], [" "]], labels=["a", "b"])


def test_labels_must_match():
    with pytest.raises(ValueError, match="one label for each of the 2 candidates, found 1"):
        candidate_tokens(TOKENIZERS["unigram"], YES_NO, labels=["yes"])
