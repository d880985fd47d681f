"""An ARPA file gives back its model; a damaged one is an error that names the line."""

import gzip
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import DataError
from nmt.text.arpa import arpa_bytes, arpa_text, parse_arpa, read_arpa, write_arpa
from nmt.text.ngram import estimate

FILE = """made by hand

\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-99\t<s>\t-0.30103
-1\t<unk>
-0.5\t</s>
-0.5\ta\t-0.2
-0.4\t<space>\t-0.1

\\2-grams:
-0.2\t<s> a
-0.3\ta <space>
-0.25\t<space> a

\\end\\
"""


def log10(value: float) -> float:
    return value / math.log(10)


def test_a_file_by_hand_is_read_as_it_stands() -> None:
    model = parse_arpa(FILE.encode(), name="x")
    assert (model.order, model.characters) == (2, {"a", " "})
    value, state = model.extend(model.start(), "a")
    assert log10(value) == pytest.approx(-0.2)
    value, state = model.extend(state, " ")
    assert log10(value) == pytest.approx(-0.3)
    assert log10(model.finish(state)) == pytest.approx(-0.1 - 0.5)  # backs off
    assert log10(model.extend(model.start(), "?")[0]) == pytest.approx(-0.30103 - 1)


@settings(max_examples=25)
@given(
    texts=st.lists(st.text(alphabet="aé<>\\ \u00a0\t\n\r\u2028\u0301\u200b-1", max_size=10), min_size=1, max_size=6),
    order=st.integers(1, 5),
    others=st.lists(st.text(alphabet="aé< \u00a0x", max_size=10), max_size=3),
)
def test_what_is_written_is_read(texts: list[str], order: int, others: list[str]) -> None:
    model = estimate(texts, order)
    again = parse_arpa(arpa_text(model).encode(), name="x")
    assert again.order == order and again.characters == model.characters
    assert set(again.log_probabilities) == set(model.log_probabilities)
    for text in [*texts, *others]:
        assert again.log_probability(text) == pytest.approx(model.log_probability(text), rel=1e-5)


@pytest.mark.parametrize("name", ["model.arpa", "model.arpa.gz"])
def test_files_are_compressed_by_their_name_and_always_the_same(tmp_path: Path, name: str) -> None:
    model = estimate(["the cat", "the hat"], 4)
    write_arpa(model, tmp_path / name)
    written = (tmp_path / name).read_bytes()
    assert (written[:2] == b"\x1f\x8b") == name.endswith(".gz")
    write_arpa(read_arpa(tmp_path / name), tmp_path / name)
    assert (tmp_path / name).read_bytes() == written
    assert (arpa_bytes(model) if name.endswith(".gz") else arpa_text(model).encode()) == written


def test_windows_line_ends_and_a_missing_backoff_are_read() -> None:
    model = parse_arpa(FILE.replace("\n", "\r\n").replace("\t-0.30103", "").encode(), name="x")
    assert log10(model.extend(model.start(), "?")[0]) == pytest.approx(-1)


def test_without_unknown_characters_they_are_impossible() -> None:
    model = parse_arpa(FILE.replace("-1\t<unk>\n", "").replace("1=5", "1=4").encode(), name="x")
    assert model.extend(model.start(), "?")[0] == -math.inf


def test_no_probability_is_above_one_whatever_the_backoffs() -> None:
    model = parse_arpa(FILE.replace("-0.30103", "3").encode(), name="x")
    assert model.extend(model.start(), "?")[0] == 0.0


def test_a_state_that_a_foreign_model_gives_no_backoff_still_counts() -> None:
    text = FILE.replace("a\t-0.2\n", "a\n")
    model = parse_arpa(text.encode(), name="x")
    _, state = model.extend(model.start(), "a")
    assert log10(model.extend(state, " ")[0]) == pytest.approx(-0.3)


DAMAGED = {
    "not arpa": ("", "something else", "line 1: the file ends here"),
    "empty": (FILE, "", "line 0: the file ends here"),
    "no counts": ("ngram 1=5\nngram 2=3\n", "", r"line 5: expected `ngram 1=…` .*1-grams"),
    "count twice": ("ngram 2=3", "ngram 1=3", "line 5: expected the count of 2-grams"),
    "count of letters": ("ngram 2=3", "ngram 2=many", r"line 5: expected .1-grams:, got 'ngram 2=many'"),
    "endless count": ("ngram 2=3", "ngram 2=" + "9" * 5000, "line 5: expected"),
    "too few": ("ngram 1=5", "ngram 1=6", "line 14: the header says 6 1-grams, but 5 stand"),
    "too many": ("ngram 2=3", "ngram 2=2", "line 19: the header says 2 2-grams, but 3 stand"),
    "section out of order": ("\\1-grams:", "\\2-grams:", r"line 7: expected .1-grams:, got '.*2-grams:'"),
    "section missing": ("\\2-grams:\n", "", "line 14: the n-gram '<s>' stands here a second time"),
    "no end": ("\\end\\\n", "", "line 18: the file ends here"),
    "another section": ("\\end\\", "\\3-grams:", r"line 19: expected .end. after the 2-grams"),
    "no number": ("-0.4\t", "x\t", "line 12: 'x' is not a logarithm"),
    "nan": ("-0.4\t", "nan\t", "line 12: 'nan' is not a logarithm"),
    "above one": ("-0.4\t", "0.4\t", "line 12: '0.4' is not a logarithm of at most 0"),
    "backoff nan": ("-0.2\n", "nan\n", "line 11: 'nan' is not a logarithm"),
    "backoff infinite": ("-0.2\n", "inf\n", "line 11: 'inf' is not a logarithm"),
    "word": ("\ta\t", "\tthe\t", "line 11: 'the' is not one character; a model of characters is needed"),
    "surrogate": ("\ta\t", "\t<U+D800>\t", "line 11: '<U.D800>' is not one character"),
    "beyond unicode": ("\ta\t", "\t<U+110000>\t", "line 11: '<U.110000>' is not one character"),
    "twice": ("<space> a\n", "<s> a\n", "line 17: the n-gram '<s> a' stands here a second time"),
    "field too many": ("<space> a\n", "<space> a -0.1\n", "line 17: expected log10 p and 2 characters, got 4 fields"),
    "field too few": ("-0.25\t", "", "line 17: expected log10 p and 2 characters, got 2 fields"),
    "no end of text": ("-0.5\t</s>\n", "-0.5\tb\n", "has no </s> among its 1-grams"),
}


@pytest.mark.parametrize(("old", "new", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_an_error_with_its_line(old: str, new: str, message: str) -> None:
    damaged = FILE.replace(old, new, 1) if old else new
    assert damaged != FILE
    with pytest.raises(DataError, match=f"hand.arpa, {message}" if "line" in message else message):
        parse_arpa(damaged.encode(), name="hand.arpa")


def test_what_never_happens_has_a_finite_logarithm() -> None:
    """Some tools write -inf for it, others -99; with infinite scores no beam could be ranked, nor JSON be written."""
    for written in ("-inf", "-1e400", "-1e308"):
        model = parse_arpa(FILE.replace("-0.4\t", f"{written}\t", 1).encode(), name="x")
        expected = parse_arpa(FILE.replace("-0.4\t", "-99\t", 1).encode(), name="x")
        assert model.log_probabilities == expected.log_probabilities
        model = parse_arpa(FILE.replace("-0.2\n", f"{written}\n", 1).encode(), name="x")
        assert min(model.backoffs.values()) == pytest.approx(-99 * math.log(10))


def test_a_line_that_is_not_utf8_is_named() -> None:
    with pytest.raises(DataError, match="line 11: not UTF-8"):
        parse_arpa(FILE.encode().replace(b"\ta\t", b"\t\xff\t"), name="x")


def test_damaged_compression_is_an_error() -> None:
    data = gzip.compress(FILE.encode())
    for damaged in (data[:60], data[:2], data[:40] + bytes(9) + data[49:], data[:-5] + b"12345"):
        with pytest.raises(DataError, match="damaged gzip data"):
            parse_arpa(damaged, name="x")


def test_every_cut_of_a_file_is_an_error_and_nothing_else() -> None:
    data = FILE.encode()
    for length in range(len(data) - 1):
        if data[:length].rstrip() != data.rstrip():
            with pytest.raises(DataError):
                parse_arpa(data[:length], name="x")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.arpa: cannot read the language model: No such file"):
        read_arpa(tmp_path / "none.arpa")
