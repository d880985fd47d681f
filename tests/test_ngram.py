"""The n-gram model is Kneser-Ney by hand and by the plain formula, and its probabilities sum to one."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import PlainKneserNey

from nmt.errors import DataError
from nmt.text.ngram import END, START, UNKNOWN, NGram, discounts_of, estimate

texts = st.lists(st.text(alphabet="abc ", max_size=12), min_size=1, max_size=8)
TOKENS = {START: "<s>", END: "</s>", UNKNOWN: "<unk>"}


def probability(model: NGram, history: str, character: str) -> float:
    """p of a character after a history from the text's start; "" is the end."""
    state = model.start()
    for read in history:
        _, state = model.extend(state, read)
    return math.exp(model.extend(state, character)[0] if character else model.finish(state))


def test_a_bigram_model_by_hand() -> None:
    """Texts ab, ab, a: bigrams `<s> a` 3, `a b` 2, `b </s>` 2, `a </s>` 1, so n1 = 1, n2 = 2, n3 = 1, n4 = 0.

    Y = 1/5, D1 = 1 - 2 · 1/5 · 2 = 0.2, D2 = 2 - 3 · 1/5 · 1/2 = 1.7, D3 = 3. Before a, b and the end stand 1, 1 and 2
    different characters: no n3, so ½, 1 and 1½; γ = (½ + ½ + 1) / 4 = ½, shared among 4.
    """
    model = estimate(["ab", "ab", "a"], 2)
    a, b, end, unknown = 0.5 / 4 + 0.125, 0.5 / 4 + 0.125, 1 / 4 + 0.125, 0.125
    after_a = (1.7 + 0.2) / 3
    assert probability(model, "", "a") == pytest.approx(0 / 3 + 3 / 3 * a)
    assert probability(model, "", "b") == pytest.approx(b)
    assert probability(model, "a", "b") == pytest.approx(0.3 / 3 + after_a * b)
    assert probability(model, "a", "") == pytest.approx(0.8 / 3 + after_a * end)
    assert probability(model, "a", "a") == pytest.approx(after_a * a)
    assert probability(model, "a", "?") == pytest.approx(after_a * unknown)
    assert probability(model, "ab", "") == pytest.approx(0.3 / 2 + 1.7 / 2 * end)
    whole = math.log(a) + math.log(0.3 / 3 + after_a * b) + math.log(0.3 / 2 + 1.7 / 2 * end)
    assert model.log_probability("ab") == pytest.approx(whole)
    assert model.perplexity(["ab"]) == pytest.approx(math.exp(-whole / 3))


@settings(max_examples=30)
@given(texts=texts, order=st.integers(1, 5), read=st.text(alphabet="abc ?", max_size=8))
def test_every_probability_is_that_of_the_plain_formula(texts: list[str], order: int, read: str) -> None:
    model, plain = estimate(texts, order), PlainKneserNey(texts, order)
    state, history = model.start(), ("<s>",)
    for character in read:
        for other in [*model.characters, UNKNOWN, END]:
            found = model.finish(state) if other == END else model.extend(state, other)[0]
            assert math.exp(found) == pytest.approx(plain.probability(TOKENS.get(other, other), history))
        _, state = model.extend(state, character)
        history = (*history, character if character in model.characters else "<unk>")


@settings(max_examples=30)
@given(texts=texts, order=st.integers(1, 12), history=st.text(alphabet="abc ?", max_size=15))
def test_after_every_history_probabilities_sum_to_one(texts: list[str], order: int, history: str) -> None:
    model = estimate(texts, order)
    assert math.fsum(probability(model, history, c) for c in [*model.characters, UNKNOWN, ""]) == pytest.approx(1.0)


def test_enough_counts_have_the_discounts_of_the_paper() -> None:
    counts = [1] * 40 + [2] * 16 + [3] * 9 + [4] * 5 + [17]
    share = 40 / 72
    assert discounts_of(counts) == pytest.approx(
        (1 - 2 * share * 16 / 40, 2 - 3 * share * 9 / 16, 3 - 4 * share * 5 / 9)
    )


@pytest.mark.parametrize("counts", [[2, 3, 4], [1, 3], [1, 2, 4], [1, 2, 2, 3, 3, 3, 3, 3, 3, 3]])
def test_too_even_counts_have_fixed_discounts(counts: list[int]) -> None:
    assert discounts_of(counts) == (0.5, 1.0, 1.5)


def test_a_state_is_no_longer_than_what_matters() -> None:
    model = estimate(["abcabd"], 4)
    state = model.start()
    for character in "abcab?":
        _, state = model.extend(state, character)
        assert len(state) <= 3
    assert state == ""  # nothing was ever seen after an unknown character


def test_longer_histories_predict_repeated_text_better() -> None:
    lines = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog"] * 3
    assert (
        estimate(lines, 5).perplexity(lines)
        < estimate(lines, 2).perplexity(lines)
        < estimate(lines, 1).perplexity(lines)
    )


def test_empty_texts_are_texts() -> None:
    model = estimate(["", "", "a"], 3)
    assert model.finish(model.start()) > model.extend(model.start(), "a")[0]
    assert model.perplexity([]) == 1.0


@pytest.mark.parametrize("order", [0, 13])
def test_an_order_out_of_range_is_refused(order: int) -> None:
    with pytest.raises(ValueError, match=f"order {order} is not one of 1 to 12"):
        estimate(["a"], order)


def test_no_text_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one text"):
        estimate([], 3)
