"""`translate`: as many lines out as in, whatever stands in them; tested with a translator that turns words round."""

import gzip
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt.cli import decoding
from nmt.cli.lines import decode_lines
from nmt.cli.translate import main
from nmt.config.search import SearchConfig
from nmt.errors import DataError


class Reverser:
    """Stands in for Translator: `one two` becomes `two one`; reads two lines ahead."""

    search = SearchConfig(beam_size=3, length_penalty=0.9)

    def __init__(self) -> None:
        self.used: SearchConfig | None = None

    def translate_stream(self, lines: Iterable[str], *, search: SearchConfig, n_best: int = 1) -> Iterator[Any]:
        self.used = search
        source = iter(lines)
        while window := list(islice(source, 2)):
            for line in window:
                text = " ".join(reversed(line.split(" ")))
                hypotheses = [
                    SimpleNamespace(text=text + "!" * rank, score=-rank, log_probability=-2.0 * rank, finished=True)
                    for rank in range(n_best if line.strip() else 0)
                ]
                yield SimpleNamespace(source=line, text=text if line.strip() else "", hypotheses=hypotheses)


@pytest.fixture
def translator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Reverser:
    """The stand-in, loaded from whatever checkpoint; the working folder is empty but for a `run` folder."""
    stand_in = Reverser()
    monkeypatch.setattr(decoding, "load_translator", lambda path, *, device, threads: stand_in)
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
    spelled = SimpleNamespace(source="", text="one\ntwo\r", hypotheses=[])
    monkeypatch.setattr(translator, "translate_stream", lambda lines, **_: (spelled for _ in lines))
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
    [(gzip.compress(b"Hallo\n", mtime=0), "gzipped; unpack it"), ("Hallo\n".encode("utf-16"), "UTF-16; convert it")],
)
def test_a_file_that_is_no_text_is_called_what_it_is(
    translator: Reverser, capsys: pytest.CaptureFixture[str], content: bytes, advice: str
) -> None:
    Path("in.de").write_bytes(content)
    assert translate("--input", "in.de", "--output", "out.en") == 1
    assert advice in capsys.readouterr().err


def test_invalid_utf8_can_be_replaced(translator: Reverser) -> None:
    assert translate_bytes(b"sch\xf6n da\n", "--on-invalid-utf8", "replace") == "da sch\ufffdn\n".encode()


def test_options_unset_are_those_of_the_checkpoint(translator: Reverser) -> None:
    translate_bytes(b"a\n")
    assert translator.used == translator.search
    translate_bytes(b"a\n", "--beam-size", "7", "--max-length", "5", "--coverage-penalty", "0.2")
    assert translator.used == SearchConfig(beam_size=7, length_penalty=0.9, max_length=5, coverage_penalty=0.2)
    translate_bytes(b"a\n", "--length-penalty", "0")  # zero is a value, not "unset"
    assert translator.used == SearchConfig(beam_size=3, length_penalty=0.0)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--beam-size", "0"), 2, r"--beam-size 0: .*greater than or equal to 1"),
        (("--length-penalty", "-1"), 2, r"--length-penalty -1.0: "),
        (("--beam-size", "0", "--batch-sentences", "0"), 2, r"--beam-size 0: .*\n.*--batch-sentences 0: "),
        (("--threads", "0"), 2, r"--threads 0: must be from 1 to 1024"),
        (("--n-best", "2"), 2, r"--n-best 2 needs --format jsonl"),
        (("--n-best", "0", "--format", "jsonl"), 2, r"--n-best 0: must be at least 1"),
        (("--n-best", "4", "--format", "jsonl"), 2, r"--n-best 4: more than the beam holds \(3\)"),
        (("--input", "gone.de"), 1, r"gone.de: no such file"),
        (("--input", "run"), 1, r"run: is a folder"),
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
    assert rows[0]["hypotheses"][1] == {"text": "b a!", "score": -1, "log_probability": -2.0, "finished": True}
    assert rows[1] == {"source": "", "translation": "", "hypotheses": []}


def test_ctrl_c_leaves_whole_lines_and_says_where(
    translator: Reverser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(lines: Iterable[str], **_: Any) -> Iterator[Any]:
        yield SimpleNamespace(source="", text="done", hypotheses=[])
        raise KeyboardInterrupt

    monkeypatch.setattr(translator, "translate_stream", interrupted)
    Path("in.de").write_text("a\nb\n")
    Path("out.en").write_text("an earlier result\n")
    assert translate("--input", "in.de", "--output", "out.en") == 130
    assert Path("out.en").read_text() == "an earlier result\n"
    assert Path("out.en.partial").read_text() == "done\n"
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
decoding.load_translator = lambda path, *, device, threads: Reverser()
raise SystemExit(translate.main(["--checkpoint", "."]))
"""


@pytest.mark.timeout(60)
def test_a_pipe_gets_the_first_translations_while_input_still_comes() -> None:
    command = [sys.executable, "-c", STREAMING, str(Path(__file__).parent)]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=buffered) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"a b\nc d\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"b a\n"  # hangs, and dies of the time limit, if it waits for the end
        assert process.stdout.readline() == b"d c\n"
        process.stdin.close()
        assert process.wait() == 0


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
    for output in (checkpoint, tmp_path / "out"):
        arguments = ["--checkpoint", str(checkpoint), "--input", str(source), "--output", str(output)]
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
