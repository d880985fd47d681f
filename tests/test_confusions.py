"""Confusions name every error that the character error rate counts, the commonest first."""

from hypothesis import given
from hypothesis import strategies as st

from nmt.metrics.confusions import Confusion, confusions
from nmt.metrics.error_rate import Measure, error_rates

texts = st.text(alphabet="abé ", max_size=8)


def test_kinds_counts_and_places() -> None:
    found = confusions(["maman", "ma", "n"], ["naman", "na", "nn"])
    assert found == [
        Confusion("m", "n", 2, occurrences=3, lines=(0, 1)),
        Confusion(None, "n", 1, occurrences=5, lines=(2,)),
    ]
    assert [one.kind for one in found] == ["substitution", "insertion"]
    assert confusions(["ab"], [""])[0].kind == "deletion"


def test_a_line_is_an_example_once_and_only_the_first_are_kept() -> None:
    (found,) = confusions(["aa", "a", "a", "a"], ["bb", "b", "b", "b"], examples=3)
    assert found.times == 5 and found.lines == (0, 1, 2)


def test_what_the_measure_forgets_is_no_confusion() -> None:
    assert not confusions(["É  t"], ["é t"], Measure(lowercase=True))


def test_a_line_that_was_not_read_confuses_nothing() -> None:
    assert not confusions(["abc"], [None])


@given(lines=st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_all_counts_together_are_the_errors_of_the_rate(lines: list[tuple[str, str]]) -> None:
    references, hypotheses = zip(*lines, strict=True)
    found = confusions(references, hypotheses)
    characters = error_rates(references, hypotheses, resamples=0).characters
    by_kind = {kind: sum(one.times for one in found if one.kind == kind) for kind in ("substitution", "deletion")}
    assert by_kind == {"substitution": characters.substitutions, "deletion": characters.deletions}
    assert sum(one.times for one in found) == characters.errors
    assert [one.times for one in found] == sorted((one.times for one in found), reverse=True)
