"""CER and WER are what they say: a plain dynamic programme counts the same, and all lines are one sum."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import plain_edits

from nmt.errors import DataError
from nmt.metrics.edits import ErrorCounts, align_edits, count_edits
from nmt.metrics.error_rate import Measure, cer, character_errors, error_rates, wer, word_errors

few = st.text(alphabet="ab ", max_size=9)  # few symbols: many ties between equally short edits
texts = st.text(alphabet="abcé Éß\t", max_size=12)
pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=6)


@given(reference=few, hypothesis=few)
def test_counts_equal_a_plain_dynamic_programme(reference: str, hypothesis: str) -> None:
    assert tuple(count_edits(reference, hypothesis)) == (*plain_edits(reference, hypothesis), len(reference))


@given(
    reference=st.lists(st.sampled_from(["le", "la", "les"]), max_size=7),
    hypothesis=st.lists(st.sampled_from(["le", "la", "les"]), max_size=7),
)
def test_words_are_counted_as_characters_are(reference: list[str], hypothesis: list[str]) -> None:
    assert tuple(count_edits(reference, hypothesis)) == (*plain_edits(reference, hypothesis), len(reference))


@given(left=texts, right=texts)
def test_exchanging_the_texts_exchanges_deletions_and_insertions(left: str, right: str) -> None:
    there, back = count_edits(left, right), count_edits(right, left)
    assert there.substitutions == back.substitutions
    assert (there.deletions, there.insertions) == (back.insertions, back.deletions)


@given(reference=few, hypothesis=few)
def test_an_alignment_spells_both_texts_and_has_the_counted_edits(reference: str, hypothesis: str) -> None:
    edits = align_edits(reference, hypothesis)
    assert "".join(edit.reference or "" for edit in edits) == reference
    assert "".join(edit.hypothesis or "" for edit in edits) == hypothesis
    substitutions = sum(edit.is_error and None not in edit for edit in edits)
    deletions = sum(edit.hypothesis is None for edit in edits)
    insertions = sum(edit.reference is None for edit in edits)
    assert count_edits(reference, hypothesis) == (substitutions, deletions, insertions, len(reference))


def test_of_equally_short_edits_the_one_with_most_characters_read_well_counts() -> None:
    assert count_edits("ab", "bc") == ErrorCounts(substitutions=0, deletions=1, insertions=1, reference=2)


@given(lines=pairs)
def test_the_rate_of_all_lines_is_the_rate_of_their_summed_counts(lines: list[tuple[str, str]]) -> None:
    references, hypotheses = zip(*lines, strict=True)
    rates = error_rates(references, hypotheses, resamples=0)
    characters = sum((character_errors(*line) for line in lines), start=ErrorCounts())
    words = sum((word_errors(*line) for line in lines), start=ErrorCounts())
    assert (rates.characters, rates.words) == (characters, words)
    assert rates.cer == characters.rate and rates.wer == words.rate


def test_long_lines_weigh_more_than_short_ones() -> None:
    references, hypotheses = ["a", "b" * 99], ["x", "b" * 99]
    assert cer(references, hypotheses) == 1 / 100  # the mean of the lines' rates would be 1/2
    assert wer(references, hypotheses) == 1 / 2


def test_more_insertions_than_characters_are_more_than_100_per_cent() -> None:
    assert cer(["a"], ["abcd"]) == 3.0


@pytest.mark.parametrize(
    ("measure", "left", "right", "equal"),
    [
        (Measure(), "é", "e\u0301", True),
        (Measure(form="none"), "é", "e\u0301", False),
        (Measure(), "ﬁn", "fin", False),
        (Measure(form="nfkc"), "ﬁn", "fin", True),
        (Measure(), " a\u00a0\t b ", "a b", True),
        (Measure(spaces=False), "a  b", "a b", False),
        (Measure(), "Été", "été", False),
        (Measure(lowercase=True), "Été", "été", True),
    ],
)
def test_normalisation_is_what_the_signature_says(measure: Measure, left: str, right: str, equal: bool) -> None:
    assert (character_errors(left, right, measure).errors == 0) == equal


def test_signatures() -> None:
    assert Measure().signature("cer") == "cer|micro|norm:nfc+space|case:mixed|unit:codepoint|v0.1"
    other = Measure(form="none", spaces=False, lowercase=True, unit="grapheme")
    assert other.signature("cer") == "cer|micro|norm:none|case:lower|unit:grapheme|v0.1"
    assert other.signature("wer") == "wer|micro|norm:none|case:lower|unit:word|v0.1"


def test_a_grapheme_is_one_character_with_all_its_marks() -> None:
    text = "q\u0303ue"  # no code point of its own: NFC leaves two
    assert character_errors(text, "que").reference == 4
    assert character_errors(text, "que", Measure(unit="grapheme")) == ErrorCounts(1, 0, 0, 3)


def test_empty_texts() -> None:
    assert character_errors("", "").rate == 0.0
    assert character_errors("", "ab") == ErrorCounts(0, 0, 2, 0)
    assert math.isinf(character_errors("", "ab").rate)
    assert character_errors("abc", "") == ErrorCounts(0, 3, 0, 3)
    assert cer(["", "ab"], ["x", "ab"]) == 1 / 2
    assert error_rates([""], ["a"]).as_dict()["cer"]["rate"] is None


def test_a_line_that_was_not_read_is_all_errors_and_never_right() -> None:
    rates = error_rates(["abc", "", "ab"], [None, None, "ab"])
    assert rates.characters == ErrorCounts(0, 3, 0, 5)
    assert (rates.lines, rates.right_lines) == (3, 1)


def test_results_in_text_and_json() -> None:
    rates = error_rates(["abcd efgh", "x"], ["abcd egh", "x"], ["one", "two"])
    assert (rates.lines, rates.right_lines) == (2, 1)
    first = rates.as_text().splitlines()[0]
    assert first.endswith("  0 substituted + 1 left out + 0 invented, of 10 characters  " + rates.signature)
    assert "resamples of 2 writers" in rates.as_text()
    found = rates.as_dict()
    assert found["cer"]["rate"] == 0.1 and found["cer"]["deletions"] == 1 and found["cer"]["reference"] == 10
    assert found["wer"]["rate"] == 1 / 3 and found["wer"]["interval"]["over"] == "writers"


@pytest.mark.parametrize(("references", "hypotheses"), [(["a"], ["a", "b"]), ([], [])])
def test_lines_must_match_and_be_there(references: list[str], hypotheses: list[str]) -> None:
    with pytest.raises(DataError, match=f"{len(references)} references but {len(hypotheses)} hypotheses"):
        error_rates(references, hypotheses)
