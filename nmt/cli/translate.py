"""`translate`: as many lines out as lines in, streamed, in memory that does not grow with the file."""

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from nmt.cli import decoding
from nmt.cli.arguments import Parser
from nmt.cli.guard import guarded
from nmt.cli.lines import decode_lines, one_line, require_file
from nmt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from nmt.config.search import SearchConfig
    from nmt.inference.translator import Translation, Translator

EXAMPLES: Final = """examples:
  python scripts/translate.py --checkpoint runs/demo --input input.de --output output.en --beam-size 5
  echo "Der alte Mann schläft." | python scripts/translate.py --checkpoint runs/demo
  python scripts/translate.py --checkpoint runs/demo --input input.de --format jsonl --n-best 3

One sentence a line, UTF-8. Line n of the output translates line n of the input; an empty line stays empty.
"""


def parser() -> argparse.ArgumentParser:
    """All options of the command."""
    options = Parser("translate", description="Translate a text file, one sentence a line.", examples=EXAMPLES)
    options.add_argument(
        "--checkpoint", type=Path, required=True, metavar="PATH", help="a run's folder or a checkpoint"
    )
    options.add_argument("--input", default="-", metavar="FILE", help="source text (default: -, standard input)")
    options.add_argument("--output", default="-", metavar="FILE", help="translations (default: -, standard output)")
    options.add_argument("--format", choices=("text", "jsonl"), default="text", help="jsonl adds scores and candidates")
    options.add_argument("--n-best", type=int, default=1, metavar="N", help="candidates a line, for --format jsonl")
    options.add_argument(
        "--on-invalid-utf8", choices=("error", "replace"), default="error", help="stop, or put U+FFFD (default: error)"
    )
    decoding.add_search_options(options)
    decoding.add_device_options(options)
    return options


def run(argv: list[str]) -> int:
    """Translate; everything that can be wrong with the arguments is said before torch is imported."""
    arguments = parser().parse_args(argv)
    overrides = decoding.search_overrides(arguments)
    _check(arguments)
    translator = decoding.load_translator(arguments.checkpoint, device=arguments.device, threads=arguments.threads)
    search = decoding.with_overrides(translator.search, overrides)
    if arguments.n_best > search.beam_size:
        raise ConfigError(
            f"--n-best {arguments.n_best}: more than the beam holds ({search.beam_size}); raise --beam-size"
        )
    with ExitStack() as stack:
        source: BinaryIO = sys.stdin.buffer
        if arguments.input != "-":
            source = stack.enter_context(open(arguments.input, "rb"))
        name = "standard input" if arguments.input == "-" else arguments.input
        write = stack.enter_context(_destination(arguments.output))
        lines = decode_lines(source, name=name, on_invalid_utf8=arguments.on_invalid_utf8)
        translations = _translate(translator, lines, search=search, n_best=arguments.n_best, at_once=source.isatty())
        for translation in _with_progress(translations, arguments):
            write(_json(translation) if arguments.format == "jsonl" else one_line(translation.text))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    decoding.require_checkpoint(arguments.checkpoint)
    if arguments.n_best < 1:
        raise ConfigError(f"--n-best {arguments.n_best}: must be at least 1")
    if arguments.n_best > 1 and arguments.format == "text":
        raise ConfigError(f"--n-best {arguments.n_best} needs --format jsonl; text holds one translation a line")
    if arguments.input != "-":
        require_file(Path(arguments.input))
    if arguments.output != "-":
        output, inputs = (
            Path(arguments.output),
            [Path(arguments.input), *decoding.checkpoint_files(arguments.checkpoint)],
        )
        check_output(output, inputs=inputs)
        if not _is_device(output):
            check_output(_partial(output), inputs=inputs)


def check_output(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Raise DataError where no file can be written at `path`, or where it would overwrite one of `inputs`."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name the output file")
    if _is_device(path):
        return
    if not path.absolute().parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} does not exist; create it first")
    if not os.access(path.absolute().parent, os.W_OK):
        raise DataError(f"{path}: permission to write into {path.parent} is denied")
    if path.exists() and any(source.exists() and source.samefile(path) for source in inputs):
        raise DataError(f"{path}: would overwrite the input; name another output file")


def _translate(
    translator: "Translator", lines: Iterator[str], *, search: "SearchConfig", n_best: int, at_once: bool
) -> Iterator["Translation"]:
    """Batches of lines as they come; from a keyboard (`at_once`) every line by itself, so that it is answered."""
    if not at_once:
        yield from translator.translate_stream(lines, search=search, n_best=n_best)
        return
    for line in lines:
        yield from translator.translate_stream([line], search=search, n_best=n_best)


@contextmanager
def _destination(output: str) -> Iterator[Callable[[str], None]]:
    """A function that writes one line, at once.

    A file is written under the name FILE.partial and takes its own name when it is whole; what was done before an
    error or Ctrl-C stays in FILE.partial, every line of it valid. A device is written straight into.
    """
    if output == "-":
        yield _line_writer(sys.stdout.buffer)
        return
    if _is_device(Path(output)):
        with open(output, "wb") as stream:
            yield _line_writer(stream)
        return
    partial = _partial(Path(output))
    with partial.open("wb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DataError(f"{partial}: another process is writing it; name another output file") from None
        try:
            yield _line_writer(stream)
        except BaseException:
            print(f"translate: stopped; the lines done so far are in {partial}", file=sys.stderr)
            raise
    os.replace(partial, Path(output).resolve())


def _partial(output: Path) -> Path:
    """Where the lines of `output` stand until it is whole."""
    return output.with_name(f"{output.name}.partial")


def _is_device(path: Path) -> bool:
    """Whether there is something at `path` that is neither a file nor a folder, and must not be replaced by one."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _line_writer(stream: BinaryIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text.encode("utf-8") + b"\n")
        stream.flush()  # a reader of the pipe sees a translation when it is there

    return write


def _with_progress(translations: Iterator["Translation"], arguments: argparse.Namespace) -> Iterable["Translation"]:
    """A bar on a terminal, unless the translations themselves go there."""
    if not sys.stderr.isatty() or (arguments.output == "-" and sys.stdout.isatty()):
        return translations
    from tqdm import tqdm

    path = Path(arguments.input)
    total = _count_lines(path) if arguments.input != "-" and path.is_file() else None
    return tqdm(translations, total=total, unit=" lines", dynamic_ncols=True)


def _count_lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(1 for _ in stream)


def _json(translation: "Translation") -> str:
    value: dict[str, Any] = {
        "source": translation.source,
        "translation": translation.text,
        "hypotheses": [
            {
                "text": hypothesis.text,
                "score": hypothesis.score,
                "log_probability": hypothesis.log_probability,
                "finished": hypothesis.finished,
            }
            for hypothesis in translation.hypotheses
        ],
    }
    return json.dumps(value, ensure_ascii=False)


main = guarded(run)
