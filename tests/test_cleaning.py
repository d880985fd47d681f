"""Cleaning: every reason catches its pair and no other, and the counts add up."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.data import CleaningConfig
from nmt.data.cleaning import CleaningReport, clean, pair_hash, verify
from nmt.data.pairs import Origin, Pair
from nmt.errors import DataError

GOOD = ("A dog runs.", "Ein Hund rennt.")
BAD_BYTES = b"caf\xe9".decode("utf-8", "surrogateescape")


def pairs_of(*texts: tuple[str, str], problem: str = "") -> list[Pair]:
    return [Pair(source, target, Origin("x.en", line), problem) for line, (source, target) in enumerate(texts, 1)]


def cleaned(
    *texts: tuple[str, str], config: CleaningConfig | None = None, held_out: frozenset[int] = frozenset()
) -> tuple[list[tuple[str, str]], CleaningReport]:
    report = CleaningReport()
    kept = clean(pairs_of(*texts), config or CleaningConfig(), report, held_out=held_out)
    return [(pair.source, pair.target) for pair in kept], report


@pytest.mark.parametrize(
    ("reason", "bad"),
    [
        ("empty", ("", "Ein Hund.")),
        ("empty", ("A dog.", " \u200b\t")),
        ("too_long", ("a" * 2001, "b" * 2001)),
        ("ratio", ("Yes", "Ja, das ist wahr.")),
        ("copy", ("This is a copy", "This is  a copy")),
        ("encoding", (BAD_BYTES, "Café")),
        ("encoding", ("Café", BAD_BYTES)),
        ("duplicate", ("A  dog runs.", "Ein Hund rennt.\u200b")),
    ],
)
def test_each_reason_drops_its_pair_alone(reason: str, bad: tuple[str, str]) -> None:
    kept, report = cleaned(GOOD, bad, ("Another one.", "Noch einer."))
    assert kept == [GOOD, ("Another one.", "Noch einer.")]
    assert {name: count for name, count in report.dropped.items() if count} == {reason: 1}
    assert report.examples[reason][0].startswith("x.en:2: ")


@pytest.mark.parametrize(
    "texts",
    [
        ("a" * 2000, "b" * 2000),
        ("Yes!", " Ja, das  stimmt!!"),  # 16 / 4 after normalisation
        ("New York City", "New York City"),  # three words may be the same
        ("A dog runs.", "Der Hund rennt."),  # half a duplicate
        ("cafe\u0301 au lait", "Milchkaffee"),
    ],
)
def test_what_is_just_within_limits_stays(texts: tuple[str, str]) -> None:
    assert cleaned(GOOD, texts)[0] == [GOOD, texts]


def test_normalised_forms_are_the_same_pair() -> None:
    assert len(cleaned(("cafe\u0301", "Kaffee"), ("caf\u00e9", "Kaffee"))[0]) == 1


def test_held_out_pairs_leak_whole_only() -> None:
    held_out = frozenset({pair_hash(*GOOD, "nfc")})
    kept, report = cleaned(GOOD, (GOOD[0], "Ein Hund läuft."), held_out=held_out)
    assert kept == [(GOOD[0], "Ein Hund läuft.")]
    assert report.dropped["leakage"] == 1


def test_every_filter_can_be_switched_off() -> None:
    config = CleaningConfig(drop_copies=False, drop_duplicates=False, max_length_ratio=100.0, max_characters=10_000)
    texts = [GOOD, GOOD, ("This is a copy", "This is a copy"), ("a" * 5000, "b" * 51)]
    assert cleaned(*texts, config=config)[0] == texts


def test_invalid_utf8_can_be_an_error_with_its_place() -> None:
    with pytest.raises(DataError, match=r"x\.en:2: the target side is not valid UTF-8: caf\\xe9; mend it, or drop"):
        cleaned(GOOD, ("Café", BAD_BYTES), config=CleaningConfig(on_invalid_utf8="error"))


def test_a_held_out_set_is_used_whole_or_not_at_all() -> None:
    odd = pairs_of(("", ""), GOOD, GOOD, ("same old same old", "same old same old"), ("a", "b" * 9999))
    assert list(verify(odd)) == odd
    with pytest.raises(DataError, match=r"x\.en:2: the source side is not valid UTF-8: caf\\xe9"):
        list(verify(pairs_of(GOOD, (BAD_BYTES, "Café"))))
    with pytest.raises(DataError, match=r"x\.en:1: 3 columns where line 1 has 2"):
        list(verify(pairs_of(("", ""), problem="3 columns where line 1 has 2")))


def test_malformed_rows_are_counted() -> None:
    report = CleaningReport()
    assert not list(clean(pairs_of(("", ""), problem="not JSON"), CleaningConfig(), report))
    assert report.dropped["malformed"] == 1
    assert report.examples["malformed"] == ["x.en:1: not JSON"]


@given(st.lists(st.tuples(st.text("ab \x00", max_size=6), st.text("ab \udcff", max_size=6)), max_size=30))
def test_counts_add_up_and_order_stays(texts: list[tuple[str, str]]) -> None:
    kept, report = cleaned(*texts)
    assert report.read == len(texts) == report.kept + sum(report.dropped.values())
    assert report.kept == len(kept)
    remaining = iter(texts)
    assert all(pair in remaining for pair in kept)  # a subsequence
    assert all(len(shown) == min(3, report.dropped[reason]) for reason, shown in report.examples.items())


def test_a_pair_that_is_taken_back_is_no_longer_its_sources() -> None:
    kept, report = cleaned(GOOD, ("another house", "ein anderes Haus"))
    [pair, _] = pairs_of(*kept)
    report.take_back("too_many_tokens", pair)
    assert (report.read, report.kept, report.dropped["too_many_tokens"]) == (2, 1, 1)
    [(place, counts)] = report.sources.items()
    assert place == pair.origin.place and (counts.read, counts.kept) == (2, 1)


def test_the_report_travels_as_json_and_prints_as_a_table() -> None:
    _, report = cleaned(GOOD, GOOD, ("", "x\x07"))
    assert CleaningReport.from_dict(json.loads(json.dumps(report.to_dict()))).to_dict() == report.to_dict()
    table = str(report).splitlines()
    assert table[0].split() == ["pairs", "read", "3"]
    assert table[1].split() == ["empty", "side", "1", "33.33%"]
    assert table[2].strip() == r"x.en:3:  | x\x07"
    assert table[-1].split() == ["pairs", "kept", "1", "33.33%"]
