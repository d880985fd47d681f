"""`translate`: as many lines out as in, whatever stands in them; tested with a translator that turns words round."""

import bz2
import errno
import gzip
import io
import json
import lzma
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt.cli import decoding, guidance, output, progress, resume
from nmt.cli.lines import decode_lines, unpacked
from nmt.cli.rows import json_row
from nmt.cli.translate import main
from nmt.config.search import SearchConfig
from nmt.errors import DataError
from nmt.inference.copying import Kind
from nmt.inference.guidance import UNGUIDED, Guidance
from nmt.inference.translation import TranslatedHypothesis, Translation, join_translations
from nmt.inference.windows import Source
from nmt.metrics.pairwise import Utility


class Reverser:
    """Stands in for Translator: `one two` becomes `two one`, two lines at a time, `two one!` is the second best."""

    search = SearchConfig(beam_size=3, length_penalty=0.9, batch_sentences=2)

    def __init__(self) -> None:
        self.used: SearchConfig | None = None
        self.guidance = UNGUIDED

    def translate(
        self, sentences: Sequence[Source], *, search: SearchConfig, n_best: int, guidance: Guidance, **_: Any
    ) -> list[Translation]:
        self.used, self.guidance = search, guidance
        return [self.turn_round(source, n_best) for source in sentences]

    def turn_round(self, source: Source, n_best: int = 1) -> Translation:
        text = source.prefix + " ".join(reversed(source.text.split(" ")))
        missing = self.guidance.terms(source.text) if "lacking" in text else ()
        copies = ("7",) if self.guidance.copy and "lost" in text else ()
        hypotheses = [
            TranslatedHypothesis(
                text + "!" * rank, -rank, -2.0 * rank, ("x",), (-2.0 * rank,), (), "cut" not in text, missing, copies
            )
            for rank in range(n_best if source.text.strip() else 0)
        ]
        return Translation(source.text, tuple(hypotheses))


@pytest.fixture
def translator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Reverser:
    """The stand-in, loaded from whatever checkpoint; the working folder is empty but for a `run` folder."""
    stand_in = Reverser()
    monkeypatch.setattr(decoding, "load_translator", lambda paths, *, device, threads, precision: stand_in)
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    return stand_in


def translate(*arguments: str) -> int:
    return main(["--checkpoint", "run", *arguments])


def translate_bytes(content: bytes, *arguments: str) -> bytes:
    Path("in.de").write_bytes(content)
    assert translate("--input", "in.de", "--output", "out.en", *arguments) == 0
    assert not Path("out.en.partial").exists()
    return Path("out.en").read_bytes()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", b""),
        (b"\n", b"\n"),
        (b"a b\n", b"b a\n"),
        (b"a b", b"b a\n"),
        (b"a b\n\nc d\n", b"b a\n\nd c\n"),
        (b"a b\n   \n", b"b a\n\n"),
        (b"a b\r\nc d\r\n", b"b a\nd c\n"),
        (b"\xef\xbb\xbfa b\n", b"b a\n"),
        ("a b\u2028c d\u0085e\x0cf\n".encode(), "d\u0085e\x0cf b\u2028c a\n".encode()),
        (b"a\rb c\n", b"c a b\n"),
    ],
    ids=[
        "empty",
        "one empty line",
        "line",
        "no final line feed",
        "gap",
        "blank",
        "CRLF",
        "BOM",
        "odd breaks",
        "lone CR",
    ],
)
def test_a_line_is_what_a_line_feed_ends(translator: Reverser, content: bytes, expected: bytes) -> None:
    assert translate_bytes(content) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=12), max_size=9))
def test_as_many_lines_out_as_in(translator: Reverser, lines: list[str]) -> None:
    output = translate_bytes("".join(f"{line}\n" for line in lines).encode())
    assert output.count(b"\n") == len(lines)
    assert b"\r" not in output
    for line, translation in zip(lines, output.decode().split("\n"), strict=False):
        assert bool(line.strip("\ufeff").strip()) >= bool(translation.strip())


def test_a_model_that_spells_line_feeds_still_writes_one_line(translator: Reverser, monkeypatch: Any) -> None:
    spelled = TranslatedHypothesis("one\ntwo\r", 0.0, 0.0, (), (), (), True)
    monkeypatch.setattr(translator, "turn_round", lambda source, _: Translation("", (spelled,)))
    assert translate_bytes(b"a\nb\n") == b"one two \none two \n"


def test_invalid_utf8_names_file_line_and_byte(translator: Reverser, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.de").write_bytes("gut\nauch gut\nschön\nspät\n".encode("latin-1"))
    assert translate("--input", "in.de", "--output", "out.en") == 1
    message = capsys.readouterr().err
    assert "error: in.de:3: byte 0xf6 at position 4 of the line is not UTF-8" in message
    assert not Path("out.en").exists()
    assert Path("out.en.partial").read_bytes() == b"gut\ngut auch\n"
    assert "out.en.partial" in message


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (gzip.compress(b"Hallo\n" * 9, mtime=0)[:-9], "in.de: the gzip archive is damaged or cut off"),
        (b"\xff\xfe" + "Hallo\n".encode("utf-16-le"), "in.de: UTF-16, not UTF-8; convert it first (iconv -f UTF-16 -t"),
        (b"\xfe\xff" + "Hallo\n".encode("utf-16-be"), "in.de: UTF-16, not UTF-8"),
        ("Hallo\n".encode("utf-32"), "in.de: UTF-32, not UTF-8; convert it first (iconv -f UTF-32 -t UTF-8 FILE)"),
        (b"\0\0\xfe\xff" + "Hallo\n".encode("utf-32-be"), "in.de: UTF-32, not UTF-8"),
        (bz2.compress(b"Hallo\n"), "in.de: compressed; unpack it first (bzcat FILE | nmt"),
        (lzma.compress(b"Hallo\n"), "in.de: compressed; unpack it first (xzcat FILE | nmt"),
        (b"\x28\xb5\x2f\xfd\x24", "in.de: compressed; unpack it first (zstdcat FILE | nmt"),
        (gzip.compress(bz2.compress(b"Hallo\n")), "in.de: compressed; unpack it first (bzcat FILE | nmt"),
    ],
    ids=["cut gzip", "UTF-16 LE", "UTF-16 BE", "UTF-32 LE", "UTF-32 BE", "bzip2", "xz", "zstd", "bzip2 in gzip"],
)
@pytest.mark.parametrize("more", [(), ("--on-invalid-utf8", "replace")], ids=["stop", "replace"])
def test_a_file_that_is_no_text_is_called_what_it_is(
    translator: Reverser, capsys: pytest.CaptureFixture[str], content: bytes, advice: str, more: tuple[str, ...]
) -> None:
    """With "replace", a compressed file was translated as if it were text."""
    Path("in.de").write_bytes(content)
    assert translate("--input", "in.de", "--output", "out.en", *more) == 1
    assert advice in capsys.readouterr().err
    assert set(Path("out.en.partial").read_bytes().splitlines()) <= {b"Hallo"}


def test_a_line_that_begins_like_the_name_of_a_compression_is_text(translator: Reverser) -> None:
    assert translate_bytes(b"BZh9 is a bzip2 mark\n1 PK\n") == b"mark bzip2 a is BZh9\nPK 1\n"


def test_a_gzipped_file_is_read_as_what_it_holds(translator: Reverser) -> None:
    assert translate_bytes(gzip.compress("\ufeffa b\r\nc\n".encode())) == b"b a\nc\n"


def test_invalid_utf8_can_be_replaced(translator: Reverser) -> None:
    assert translate_bytes(b"sch\xf6n da\n", "--on-invalid-utf8", "replace") == "da sch\ufffdn\n".encode()


def test_options_unset_are_those_of_the_checkpoint(translator: Reverser) -> None:
    translate_bytes(b"a\n")
    assert translator.used == translator.search
    translate_bytes(b"a\n", "--beam-size", "7", "--max-length", "5", "--coverage-penalty", "0.2")
    changed = {"beam_size": 7, "max_length": 5, "coverage_penalty": 0.2}
    assert translator.used == translator.search.model_copy(update=changed)
    translate_bytes(b"a\n", "--length-penalty", "0")  # zero is a value, not "unset"
    assert translator.used == translator.search.model_copy(update={"length_penalty": 0.0})


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--beam-size", "0"), 2, r"--beam-size: must be at least 1, got 0"),
        (("--length-penalty", "-1"), 2, "--length-penalty: must be"),
        (("--beam-size", "0", "--batch-sentences", "0"), 2, r"--beam-size: must be .*\n--batch-sentences: must be "),
        (("--threads", "0"), 2, r"--threads 0: must be from 1 to 1024"),
        (("--n-best", "2"), 2, r"--n-best 2 needs --format nbest or jsonl"),
        (("--n-best", "0", "--format", "jsonl"), 2, r"--n-best 0: must be at least 1"),
        (("--n-best", "4", "--format", "jsonl"), 2, r"--n-best 4: more than the beam holds \(3\)"),
        (("--input", "gone.de"), 1, r"gone.de: no such file"),
        (("--checkpoint", "run", "gone"), 1, r"gone: no such run folder or checkpoint"),
        (("--top-k", "5"), 2, r"--top-k: of no effect without --sampling"),
        (("--top-p", "1.5", "--sampling"), 2, r"--top-p: must be at most 1\.0, got 1\.5"),
        (("--split-tokens", "3"), 2, "--split-tokens: must be"),
        (("--alignment", "soft"), 2, r"--alignment soft needs --format jsonl"),
        (("--devices", "0"), 2, r"--devices 0: must be from 1"),
        (("--resume",), 2, r"--resume needs --input FILE and --output FILE"),
        (("--interactive", "--input", "in.de"), 2, r"--interactive asks and answers here"),
        (("--prefix", "a", "--prefix-file", "in.de"), 2, r"argument --prefix-file: not allowed with argument --prefix"),
        (("--prefix-file", "gone"), 1, r"gone: no such file"),
        (("--glossary", "in.de"), 1, r"in.de:1: a line is SOURCE, a tab, TARGET; this one has 1 columns"),
        (("--copy", "urls,dates"), 2, r"'dates' is none of all, urls, numbers"),
        (("--candidates", "5"), 2, r"--candidates 5: of no effect without --mbr"),
        (("--mbr", "--candidates", "1"), 2, r"--candidates 1: must be from 2"),
        (("--mbr", "--candidates", "4"), 2, r"--candidates 4: more than the beam holds \(3\)"),
        (("--diverse-beam-groups", "2"), 2, r"diverse_beam_groups \(2\) must divide beam_size \(3\) .* of 4, or"),
        (("--diverse-beam-groups", "0"), 2, r"--diverse-beam-groups: must be at least 1, got 0"),
        (("--diverse-beam-strength", "-1"), 2, "--diverse-beam-strength: must be"),
        (("--diverse-beam-strength", "1"), 2, r"--diverse-beam-strength: of no effect without --diverse-beam-groups"),
        (("--diverse-beam-groups", "3", "--sampling"), 2, r"--diverse-beam-groups: of no effect with --sampling"),
        (("--input", "run"), 1, r"run: is a folder"),
        (("--input", ""), 2, r"--input is empty; name a file, or -"),
        (("--output", ""), 2, r"--output is empty; name a file, or -"),
        (("--output", "new/"), 1, r"new/: names a folder, which is not there"),
        (("--output", "run"), 1, r"run: is a folder"),
        (("--output", "no/where.en"), 1, r"no/where.en: the folder no does not exist"),
        (("--input", "in.de", "--output", "./in.de"), 1, r"in.de: would overwrite the input"),
        (("--checkpoint", "gone"), 1, r"gone: no such run folder or checkpoint"),
    ],
)
def test_what_cannot_be_is_one_clear_message(
    translator: Reverser, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    Path("in.de").write_text("unharmed\n")
    assert translate(*arguments) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert re.search(message, error), error
    assert Path("in.de").read_text() == "unharmed\n"


def test_jsonl_holds_the_candidates(translator: Reverser) -> None:
    rows = [json.loads(line) for line in translate_bytes(b"a b\n\n", "--format", "jsonl", "--n-best", "2").splitlines()]
    assert rows[0]["source"] == "a b"
    assert rows[0]["translation"] == "b a"
    assert [hypothesis["text"] for hypothesis in rows[0]["hypotheses"]] == ["b a", "b a!"]
    assert rows[0]["hypotheses"][1] == {
        "text": "b a!",
        "score": -1,
        "log_probability": -2.0,
        "finished": True,
        "tokens": ["x"],
        "token_log_probabilities": [-2.0],
        "alignment": [],
    }
    assert rows[1] == {"source": "", "translation": "", "source_tokens": [], "parts": 1, "hypotheses": []}


def test_soft_alignment_of_a_line_in_parts_is_a_matrix_each() -> None:
    """One matrix of everything would not fit into memory: a line of a million characters has 10^11 pairs of tokens."""
    part = TranslatedHypothesis("a", -1.0, -1.0, ("a", "b"), (-0.5, -0.5), (torch.full((2, 3), 1 / 3),), True)
    whole = Translation("x", (part,), ("x", "y", "</s>"))
    one = json.loads(json_row(1, whole, "soft"))["hypotheses"][0]
    assert one["attention"] == [[0.3333] * 3] * 2 and "attentions" not in one
    many = json.loads(json_row(1, join_translations("x x x", [whole] * 3), "soft"))
    assert many["parts"] == 3 and len(many["source_tokens"]) == 9
    assert many["hypotheses"][0]["attentions"] == [[[0.3333] * 3] * 2] * 3


def test_ctrl_c_leaves_whole_lines_and_says_where(
    translator: Reverser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(source: Source, n_best: int) -> Translation:
        if source.text == "c":
            raise KeyboardInterrupt
        return Reverser.turn_round(translator, source)

    monkeypatch.setattr(translator, "turn_round", interrupted)
    Path("in.de").write_text("done a\nb\nc\n")
    Path("out.en").write_text("an earlier result\n")
    assert translate("--input", "in.de", "--output", "out.en") == 130
    assert Path("out.en").read_text() == "an earlier result\n"
    assert Path("out.en.partial").read_text() == "a done\nb\n"
    assert "out.en.partial" in capsys.readouterr().err


def test_lines_are_read_as_they_are_needed() -> None:
    read = []

    def endless() -> Iterator[bytes]:
        number = 0
        while True:
            read.append(number)
            yield b"line\n"
            number += 1

    assert list(islice(decode_lines(endless(), name="endless"), 3)) == ["line"] * 3
    assert len(read) == 3


def test_a_bad_line_does_not_hide_the_good_ones_before_it() -> None:
    lines = decode_lines(io.BytesIO(b"good\n\xff\xfe"), name="standard input")
    assert next(lines) == "good"
    with pytest.raises(DataError, match="standard input:2: byte 0xff at position 1"):
        next(lines)


STREAMING = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from test_translate_cli import Reverser
from nmt.cli import decoding, translate
decoding.load_translator = lambda paths, *, device, threads, precision: Reverser()
raise SystemExit(translate.main(["--checkpoint", "."]))
"""


def test_an_input_that_cannot_be_read_is_an_error(translator: Reverser) -> None:
    """Standard input open for writing only, or a disk that fails later, gave a traceback."""

    left = [b"good\n"]

    class Failing(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            if not left:
                raise OSError(errno.EIO, "Input/output error")
            line = left.pop()
            buffer[: len(line)] = line
            return len(line)

    lines = decode_lines(io.BufferedReader(Failing()), name="disk")
    assert next(lines) == "good"
    with pytest.raises(DataError, match="disk: cannot be read after line 1: Input/output error"):
        next(lines)
    with (
        os.fdopen(os.open("write-only", os.O_WRONLY | os.O_CREAT), "rb") as stream,
        pytest.raises(DataError, match="cannot be read: Bad file descriptor"),
    ):
        unpacked(stream)


def test_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", STREAMING, str(Path(__file__).parent)]
    result = subprocess.run(command, input=b"a b\n" * 4, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert result.returncode == 141
    assert result.stderr == b""


def test_no_output_overwrites_what_is_read(
    translator: Reverser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output replaced the checkpoint; and an input called OUTPUT.partial was emptied before it was read."""
    checkpoint, source = tmp_path / "model.ckpt", tmp_path / "out.partial"
    checkpoint.write_text("weights")
    source.write_text("one\ntwo\n")
    for target in (checkpoint, tmp_path / "out"):
        arguments = ["--checkpoint", str(checkpoint), "--input", str(source), "--output", str(target)]
        assert main(arguments) == 1
        assert "would overwrite" in capsys.readouterr().err
    assert checkpoint.read_text() == "weights"
    assert source.read_text() == "one\ntwo\n"


def test_an_output_that_is_a_pipe_stays_one(translator: Reverser, tmp_path: Path) -> None:
    pipe, source = tmp_path / "pipe", tmp_path / "source"
    os.mkfifo(pipe)
    source.write_text("one two\n")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    arguments = ["--checkpoint", str(tmp_path), "--input", str(source), "--output", str(pipe)]
    assert main(arguments) == 0
    assert os.read(reader, 99).count(b"\n") == 1
    os.close(reader)
    assert pipe.is_fifo()


def test_nbest_has_every_candidate_under_its_number_from_zero(translator: Reverser) -> None:
    output = translate_bytes(b"a b\n\nc\n", "--format", "nbest", "--n-best", "2").decode()
    assert output == (
        "0 ||| b a ||| 0.000000\n0 ||| b a! ||| -1.000000\n1 |||  ||| 0.000000\n"
        "2 ||| c ||| 0.000000\n2 ||| c! ||| -1.000000\n"
    )


def test_what_the_maximum_length_cut_is_counted_and_named(
    translator: Reverser, capsys: pytest.CaptureFixture[str]
) -> None:
    translate_bytes(b"a\ncut b\nc\ncut d\n")
    assert "warning: 2 translations of lines 2, 4 reached the maximum length" in capsys.readouterr().err
    translate_bytes(b"cut\n" * 30)
    assert "30 translations of lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, … reached" in capsys.readouterr().err
    translate_bytes(b"a\n")
    assert capsys.readouterr().err == ""


def test_on_a_terminal_the_end_is_said_with_the_file(translator: Reverser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar that stopped at its end was all; where it had been written was for the user to remember."""
    seen = io.StringIO()
    seen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", seen)
    translate_bytes(b"a\ncut b\nc\n")
    assert re.search(r"translate: warning: .*\ntranslate: 3 lines in [0-9.]+ s: out\.en\n$", seen.getvalue())


def test_a_long_job_is_told_of_in_a_log_and_never_in_the_output(
    translator: Reverser, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    monkeypatch.setattr(progress, "SHARE", 0.0)
    Path("in.de").write_bytes(b"a b\nc d\n")
    assert translate("--input", "in.de") == 0
    said = b"translate: 1 of 2 lines\ntranslate: 2 of 2 lines\n"
    assert capfdbinary.readouterr() == (b"b a\nd c\n", said)


def test_a_term_of_the_glossary_that_is_lacking_is_named(translator: Reverser, capsys: Any) -> None:
    Path("terms").write_text("b\ta\n")
    rows = translate_bytes(b"a b\nb lacking\nd\n", "--glossary", "terms", "--format", "jsonl").splitlines()
    assert "warning: 1 translation of line 2 came out without a term" in capsys.readouterr().err
    assert [json.loads(row)["hypotheses"][0].get("missing_terms") for row in rows] == [None, ["a"], None]


def test_a_number_that_is_lost_is_named(translator: Reverser, capsys: Any) -> None:
    """With --copy it looked as if all of them had come through."""
    rows = translate_bytes(b"a b\nb lost 7\nd\n", "--copy", "numbers", "--format", "jsonl").splitlines()
    said = capsys.readouterr().err
    assert said.startswith("translate: warning: 1 translation of line 2 (7) came out without what")
    assert [json.loads(row)["hypotheses"][0].get("missing_copies") for row in rows] == [None, ["7"], None]


def test_a_glossary_and_sampling_are_refused_before_anything_is_read(
    translator: Reverser, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("terms").write_text("b\ta\n")
    Path("in.de").write_text("no term here\n")
    monkeypatch.setattr(translator, "search", SearchConfig(sampling=True), raising=False)  # as a checkpoint may want
    options = ("--input", "in.de", "--output", "out.en", "--glossary", "terms")
    assert translate(*options) == 2 and "--no-sampling" in capsys.readouterr().err
    assert translate(*options, "--no-sampling") == 0
    monkeypatch.setattr(decoding, "load_translator", lambda *_, **__: pytest.fail("torch has been imported"))
    assert translate(*options, "--sampling") == 2 and "leave out --sampling" in capsys.readouterr().err


def test_a_glossary_and_diverse_beams_are_refused_before_anything_is_read(
    translator: Reverser, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("terms").write_text("b\ta\n")
    stored = SearchConfig(beam_size=4, diverse_beam_groups=2)  # as a checkpoint may want
    monkeypatch.setattr(translator, "search", stored, raising=False)
    assert translate("--glossary", "terms") == 2 and "give --diverse-beam-groups 1" in capsys.readouterr().err
    translate_bytes(b"a\n", "--glossary", "terms", "--diverse-beam-groups", "1")
    assert translator.used == stored.model_copy(update={"diverse_beam_groups": 1})
    monkeypatch.setattr(decoding, "load_translator", lambda *_, **__: pytest.fail("torch has been imported"))
    for options, said in (
        (("--diverse-beam-groups", "2", "--glossary", "terms"), "2 diverse groups cannot be made to say its terms"),
        (("--diverse-beam-groups", "2", "--beam-size", "5"), r"must divide beam_size (5)"),
        (("--diverse-beam-groups", "2", "--sampling"), "of no effect with --sampling"),
    ):
        assert translate(*options) == 2 and said in capsys.readouterr().err


def test_a_damaged_archive_is_translated_up_to_the_damage_also_under_a_progress_bar(
    translator: Reverser, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("in.gz").write_bytes(gzip.compress(b"a b\n" * 5)[:-8])
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert translate("--input", "in.gz", "--output", "out.en") == 1
    assert "damaged or cut off after line 5" in capsys.readouterr().err
    assert Path("out.en.partial").read_bytes() == b"b a\n" * 5


def test_prefixes_come_from_the_option_or_line_by_line(translator: Reverser, capsys: Any) -> None:
    assert translate_bytes(b"a b\nc\n", "--prefix", "X ") == b"X b a\nX c\n"
    Path("prefixes").write_text("1\n\n3\n")
    assert translate_bytes(b"a\nb\nc\n", "--prefix-file", "prefixes") == b"1a\nb\n3c\n"
    for lines in (2, 4):
        Path("in.de").write_text("a\n" * lines)
        assert translate("--input", "in.de", "--output", "other.en", "--prefix-file", "prefixes") == 1
        assert f"prefixes has 3 lines, in.de has {lines}" in capsys.readouterr().err
        assert not list(Path().glob("other.en*")), "nothing is translated that could never be finished"


@pytest.mark.parametrize("lines", [2, 4])
def test_prefixes_of_another_length_are_noticed_where_a_pipe_ends(
    translator: Reverser, capsys: Any, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    Path("prefixes").write_text("1\n\n3\n")
    typed("a\n" * lines, monkeypatch)
    assert translate("--output", "out.en", "--prefix-file", "prefixes") == 1
    assert f"ends after line {min(lines, 3)}" in capsys.readouterr().err
    assert len(Path("out.en.partial").read_text().splitlines()) == min(lines, 3)


def test_a_glossary_copies_and_the_vote_reach_the_translator(translator: Reverser) -> None:
    Path("terms").write_bytes("\ufeffHund\tdog\r\n\nKatze \t cat\n".encode())
    translate_bytes(b"a\n", "--glossary", "terms", "--copy", "urls,numbers", "--mbr", "--candidates", "3")
    assert translator.guidance.glossary is not None
    assert set(translator.guidance.glossary) == {("Hund", "dog"), ("Katze", "cat")}
    assert replace(translator.guidance, glossary=None) == Guidance(None, ("urls", "numbers"), "chrf", 3)
    assert get_args(Kind) == guidance.KINDS and get_args(Utility) == guidance.UTILITIES


def typed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="latin-1"))


def test_interactive_answers_every_line_and_knows_commands(
    translator: Reverser, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    typed("schön b\r\n:help\n:gone\n\n:-)\n:quit\nnever\n", monkeypatch)
    assert translate("--interactive") == 0
    output = capfd.readouterr().out.split("\n")
    assert output[0] == "b schön"
    assert ":quit" in output[3]
    assert "no command :gone" in output[4]
    assert output[5:] == ["", ":-)", ""]


def leave_partial(partial: bytes, *arguments: str) -> Path:
    """Like a run of in.de that was killed when it had written `partial`; where it kept what it was made of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resume, "write_sidecar", lambda path, about: kept.update(about))
        kept: dict[str, Any] = {}
        assert translate("--input", "in.de", "--output", "out.en", *arguments) == 0
    Path("out.en").unlink()
    Path("out.en.partial").write_bytes(partial)
    resume.write_sidecar(Path("out.en.partial"), kept)
    return Path("out.en.partial.json")


def resume_after(partial: bytes, content: bytes, *arguments: str) -> int:
    Path("in.de").write_bytes(content)
    leave_partial(partial, *arguments)
    return translate("--input", "in.de", "--output", "out.en", *arguments, "--resume")


@pytest.mark.parametrize("partial", [b"", b"1\n", b"1\n2\n3\n4", b"1\n2\n3\n", b"1\n2\n3\n4\n5\n6\n7\n"])
def test_resuming_writes_what_is_missing_and_nothing_twice(translator: Reverser, partial: bytes) -> None:
    content = b"".join(b"%d\n" % number for number in range(1, 8))
    assert resume_after(partial, content) == 0
    assert Path("out.en").read_bytes() == content
    assert sorted(path.name for path in Path().iterdir()) == ["in.de", "out.en", "out.en.resume.json", "run"]


def test_what_is_finished_is_seen_without_a_model_and_nothing_else_is_taken_for_it(
    translator: Reverser, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--resume translated a finished file once more, and overwrote one that another command had made."""
    again = ("--input", "in.de", "--output", "out.en", "--resume")
    assert resume_after(b"", b"a b\n\nc\n") == 0
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "load_translator", None)
        assert translate(*again) == 0
        assert "out.en: finished already, by the same command; nothing to do" in capsys.readouterr().err
        for change in (("--beam-size", "2"), ("--format", "jsonl"), ("--prefix", "x")):
            assert translate(*again, *change) == 2
            assert "out.en was made differently (" in capsys.readouterr().err
        Path("out.en").write_text("corrected by hand\n")
        assert translate(*again) == 2
        assert "(another output)" in capsys.readouterr().err
        for damaged in ("{", "[]", '"x"', "null"):
            Path("out.en.resume.json").write_text(damaged)
            assert translate(*again) == 2
            assert "out.en is there, and no out.en.resume.json beside it says how" in capsys.readouterr().err
        assert Path("out.en").read_text() == "corrected by hand\n"
    assert translate(*again[:-1]) == 0  # as asked: translated again
    assert not Path("out.en.resume.json").exists()  # it was the other one's
    assert translate(*again) == 2
    Path("out.en").write_bytes(b"")  # as `mktemp` leaves it
    assert translate(*again) == 0
    assert Path("out.en").read_bytes() == b"b a\n\nc\n"


@pytest.mark.parametrize("rows", range(7))
@pytest.mark.parametrize("torn", [b"", b"1 |", b"2 ||| c ||"])
def test_an_nbest_list_is_resumed_at_a_whole_line(translator: Reverser, rows: int, torn: bytes) -> None:
    content, options = b"a\nb\nc\n", ("--format", "nbest", "--n-best", "2")
    whole = translate_bytes(content, *options)
    assert resume_after(b"".join(whole.splitlines(keepends=True)[:rows]) + torn, content, *options) == 0
    assert Path("out.en").read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--beam-size", "4"), r"search.beam_size unset, now 4"),
        (("--format", "jsonl"), r"format text, now jsonl"),
        (("--prefix", "a"), r"prefix unset, now a"),
        (("--input", "other.de"), r"another input"),
        (("--checkpoint", "other.ckpt"), r"another checkpoint"),
    ],
)
def test_other_input_or_options_are_not_resumed(
    translator: Reverser, capsys: pytest.CaptureFixture[str], change: tuple[str, ...], message: str
) -> None:
    Path("other.de").write_text("x\n")
    Path("other.ckpt").write_text("x")
    Path("in.de").write_text("1\n2\n")
    about = leave_partial(b"1\n")
    assert translate("--input", "in.de", "--output", "out.en", *change, "--resume") == 2
    assert re.search(message, capsys.readouterr().err)
    assert Path("out.en.partial").read_bytes() == b"1\n"
    about.unlink()
    assert translate("--input", "in.de", "--output", "out.en", "--resume") == 2
    assert "out.en.partial.json, which says how out.en.partial was made, is missing" in capsys.readouterr().err
    Path("out.en.partial").unlink()
    assert translate("--input", "in.de", "--output", "out.en", "--resume") == 0  # nothing there: from the start
    assert Path("out.en").read_bytes() == b"1\n2\n"


def test_a_full_disk_leaves_whole_lines(translator: Reverser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a row had been written when the disk was full."""
    path = Path("full")
    with path.open("wb", buffering=0) as stream:
        write = output._whole_line_writer(stream, path)
        write("one")

        class Full(io.FileIO):
            def write(self, data: Any) -> int:
                if self.tell() > 4:
                    raise OSError(errno.ENOSPC, "no space")
                return super().write(bytes(data)[:2])

        with Full("full", "r+b") as small:
            small.seek(4)
            with pytest.raises(OSError, match="no space") as caught:
                output._whole_line_writer(small, path)("two")
            assert caught.value.filename == "full"
    assert path.read_bytes() == b"one\n"


def test_a_limit_on_the_size_of_files_is_one_message(translator: Reverser, capsys: Any) -> None:
    Path("in.de").write_text("a b\n" * 2000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4094, hard))
    try:
        code = translate("--input", "in.de", "--output", "out.en")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1 and "error: out.en.partial: larger than files may be here" in capsys.readouterr().err
    assert Path("out.en.partial").read_bytes() == b"b a\n" * 1023
