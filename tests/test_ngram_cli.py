"""`ngram`: what it writes is what `estimate` makes of the same lines, and it says what is wrong with its files."""

import gzip
from pathlib import Path

import pytest

from nmt.cli.ngram import main
from nmt.text.arpa import read_arpa
from nmt.text.ngram import estimate

LINES = ["le chat dort", "le chien court", "un chat court"]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text("".join(f"  {line}\n\n" for line in LINES), encoding="utf-8")
    return file


def test_the_file_is_the_model_of_the_normalised_lines(text: Path, tmp_path: Path) -> None:
    packed = tmp_path / "more.gz"
    packed.write_bytes(gzip.compress("cafe\u0301\n".encode()))
    output = tmp_path / "lm.arpa"
    assert main(["--input", str(text), str(packed), "--order", "3", "--output", str(output)]) == 0
    written, expected = read_arpa(output), estimate([*LINES, "café"], 3)
    for line in ("le chat court", "café", "xyz"):
        assert written.log_probability(line) == pytest.approx(expected.log_probability(line), abs=1e-4)


def test_a_text_it_has_seen_surprises_it_less(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.txt"
    other.write_text("zwei Hunde bellen\n", encoding="utf-8")
    perplexities = []
    for held_out in (text, other):
        main(["--input", str(text), "--output", str(tmp_path / "lm.arpa"), "--held-out", str(held_out)])
        perplexities.append(float(capsys.readouterr().out.split("perplexity ")[1].split(" ")[0]))
    assert perplexities[0] < 3 < perplexities[1]


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "no line of text"), (b"\n \n", "no line of text"), (b"a\xffb\n", "not UTF-8")]
)
def test_a_text_that_is_none_is_named_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    file, output = tmp_path / "text.txt", tmp_path / "lm.arpa"
    file.write_bytes(content)
    assert main(["--input", str(file), "--output", str(output)]) == 1
    error = capsys.readouterr().err
    assert "text.txt" in error and said in error
    assert not output.exists()


def test_a_missing_text_is_said_before_anything_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--input", str(tmp_path / "none.txt"), "--output", str(tmp_path / "lm.arpa")]) != 0
    assert "none.txt" in capsys.readouterr().err
