"""`recognize`: as many lines out as lines in; what cannot be read is named, and the rest is done."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nmt.cli import decoding
from nmt.cli.arguments import Parser, whole_number
from nmt.cli.ctc_options import add_ctc_options, ctc_overrides, load_recognizer
from nmt.cli.guard import guarded
from nmt.cli.line_files import Listed, check_keeps_lines, is_image_or_page, line_count, listed_lines
from nmt.cli.line_order import least_sure_first
from nmt.cli.line_pages import Put, check_page_folder, page_folder
from nmt.cli.line_rows import HEADER, Row, json_row, table_row, text_row
from nmt.cli.output import check_stream_output, destination
from nmt.cli.progress import Progress, tell
from nmt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from nmt.inference.line_input import LineInput
    from nmt.inference.recognition import Recognition
    from nmt.inference.recognizer import Recognizer

EXAMPLES: Final = """examples:
  python scripts/recognize.py --checkpoint runs/lines line1.png line2.png
  python scripts/recognize.py --checkpoint runs/lines scans/ --format tsv --output texts.tsv
  python scripts/recognize.py --checkpoint runs/lines scans/ --format tsv --sort confidence | head -n 20
  python scripts/recognize.py --checkpoint runs/lines page.xml --format jsonl --beam-size 20 --language-weight 0.6
  find scans -name "*.png" | python scripts/recognize.py --checkpoint runs/lines -
  python scripts/recognize.py --checkpoint runs/lines pages/ --format alto --output read
  python scripts/recognize.py --checkpoint runs/pen strokes.jsonl

A line image is a line. A page is given by its ALTO or PAGE XML, and read line by line; a folder by all the images and
pages in it. What cannot be read is named on the standard error output and gives an empty line, {"file", "error"} in
jsonl; the rest is done, and the exit status is 1.
"""
PAGE_FORMATS: Final = ("alto", "page")  # a file a page
FORMATS: Final = ("text", "tsv", "jsonl", *PAGE_FORMATS)
Answer = tuple[Listed, "Recognition | str"]
WINDOW: Final = 64  # lines listed, read and recognised before the next are


def parser() -> argparse.ArgumentParser:
    """All options of the command."""
    options = Parser("recognize", description="Read lines of handwriting.", examples=EXAMPLES)
    options.add_argument(
        "lines",
        nargs="+",
        metavar="PATH",
        help="images of lines, ALTO or PAGE .xml, folders, strokes .jsonl; - reads paths from standard input",
    )
    options.add_argument(
        "--checkpoint", type=Path, required=True, metavar="PATH", help="a run's folder or a checkpoint file"
    )
    options.add_argument(
        "--output",
        default="-",
        metavar="FILE",
        help="texts (default: -, standard output); of alto and page a new folder",
    )
    options.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="tsv: file, text, confidence; jsonl: everything; alto, page: a file of ALTO or PAGE for each page or image"
        " (default: text, a line each)",
    )
    options.add_argument(
        "--boxes",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="in jsonl: every character with its box in pixels of the source image (default: yes)",
    )
    options.add_argument(
        "--sort",
        choices=("confidence",),
        help="of tsv and jsonl: the least sure lines first, for proof-reading, all written at the end",
    )
    add_ctc_options(options)
    group = decoding.add_device_options(options)
    group.add_argument(
        "--batch-columns",
        type=whole_number(1, 100_000_000),
        metavar="N",
        help="pixel columns (points of strokes) read at a time; a longer line goes alone",
    )
    return options


def run(argv: list[str]) -> int:
    """Recognise; everything that can be wrong with the arguments is said before torch is imported."""
    arguments = parser().parse_args(argv)
    overrides = ctc_overrides(arguments)
    _check(arguments)
    recognizer = load_recognizer(arguments, overrides, batch_columns=arguments.batch_columns)
    _check_kind(arguments, recognizer)
    items = listed_lines(arguments.lines)
    from nmt.inference.line_confidence import is_fitted, told_unfitted
    from nmt.inference.recognition import told_silent

    wants_boxes = arguments.format in PAGE_FORMATS or (arguments.format == "jsonl" and arguments.boxes)
    done = failed = silent = 0
    with _putting(arguments) as put, _shown(arguments) as shown:
        for item, found in _answers(recognizer, items, boxes=wants_boxes):
            put(item, found)
            shown.advance()
            done += 1
            if isinstance(found, str):
                failed += 1
                tell(f"recognize: {found}")
            elif not found.text.strip():
                silent += 1
    if failed:
        print(f"recognize: {failed:,} of {done:,} lines could not be read", file=sys.stderr)
    if said := told_silent(silent, done - failed):
        print(f"recognize: {said}", file=sys.stderr)
    if arguments.format in PAGE_FORMATS and done > failed and not is_fitted(recognizer.search):
        print(f"recognize: {told_unfitted(str(arguments.checkpoint))}", file=sys.stderr)
    shown.tell_end(arguments.output)
    return 1 if failed else 0


def _check(arguments: argparse.Namespace) -> None:
    """What can be known of files, and of options that do not go together, before anything is read."""
    if (arguments.nbest or 1) > 1 and arguments.format != "jsonl":
        raise ConfigError(f"--n-best {arguments.nbest} needs --format jsonl; other formats hold one text a line")
    if arguments.sort and arguments.format not in ("tsv", "jsonl"):
        raise ConfigError(f"--sort {arguments.sort} needs --format tsv or jsonl, which say what line a text is of")
    decoding.require_checkpoint(arguments.checkpoint)
    _check_are_files(arguments)
    files = [Path(path) for path in (arguments.language_model, arguments.lexicon) if path is not None]
    if arguments.format in PAGE_FORMATS:
        check_page_folder(arguments.output, arguments.format)
        return
    files += [*decoding.checkpoint_files(arguments.checkpoint), *map(Path, arguments.lines)]
    check_stream_output(arguments.output, inputs=files)
    check_keeps_lines(Path(arguments.output))


def _check_are_files(arguments: argparse.Namespace) -> None:
    """Raise DataError for `digits:test`, which training and `evaluate-lines` take; of composed lines there is no file.

    Files that are not there are named one by one as they come to be read.
    """
    from nmt.config.lines import is_composed

    for path in arguments.lines:
        if is_composed(path) and not os.path.exists(path):
            scored = shlex.join(["--checkpoint", str(arguments.checkpoint), "--lines", path, "--report", "worst.html"])
            raise DataError(f"{path}: no such file; composed lines are read and scored by: nmt evaluate-lines {scored}")


def _check_kind(arguments: argparse.Namespace, recognizer: "Recognizer") -> None:
    """Whether what is given can be what the recogniser reads, as far as names tell, before the first line is read."""
    kind = recognizer.config.model.frontend.kind
    strokes = [path for path in arguments.lines if path.lower().endswith(".jsonl") and not Path(path).is_dir()]
    if kind == "image" and strokes:
        raise DataError(
            f"{strokes[0]}: pen strokes, but {arguments.checkpoint} reads images; give images of lines, ALTO or PAGE"
            " .xml, or a recogniser of strokes"
        )
    if kind == "strokes" and (images := [path for path in arguments.lines if is_image_or_page(path)]):
        raise DataError(
            f"{images[0]}: an image or a page, but {arguments.checkpoint} reads pen strokes; give .jsonl files, or a"
            " recogniser of images"
        )
    if kind == "strokes" and arguments.format in PAGE_FORMATS:
        raise ConfigError(f"--format {arguments.format}: pen strokes stand on no page; use --format jsonl")


def _putting(arguments: argparse.Namespace) -> AbstractContextManager[Put]:
    """A function that takes the lines in order, and writes them as was asked."""
    if arguments.format in PAGE_FORMATS:
        return page_folder(Path(arguments.output), arguments.format)
    return _rows(arguments)


@contextmanager
def _rows(arguments: argparse.Namespace) -> Iterator[Put]:
    """A function that writes a line's row as soon as it has come."""
    formats: dict[str, Row] = {
        "text": text_row,
        "tsv": table_row,
        "jsonl": partial(json_row, nbest=(arguments.nbest or 1) > 1, boxes=arguments.boxes),
    }
    row = formats[arguments.format]
    with destination(arguments.output) as write:
        if arguments.format == "tsv":
            write(HEADER)
        if arguments.sort is None:
            yield lambda item, found: write(row(item.name, found))
        else:
            with least_sure_first(write) as put:
                yield lambda item, found: put(found, row(item.name, found))


def _answers(recognizer: "Recognizer", items: Iterable[Listed], *, boxes: bool) -> Iterator[Answer]:
    """What became of every line, or why nothing did, in order."""
    source = iter(items)
    while window := list(islice(source, WINDOW)):
        inputs = [_read(recognizer, item) for item in window]
        good = [one for one in inputs if not isinstance(one, str)]
        found = iter(recognizer.recognize(good, alignment=boxes))
        yield from (
            (item, one if isinstance(one, str) else next(found)) for item, one in zip(window, inputs, strict=True)
        )


def _shown(arguments: argparse.Namespace) -> Progress:
    """Nothing where the texts themselves can be seen to come; a total only where it costs nothing."""
    quiet = arguments.output == "-" and sys.stdout.isatty()
    return Progress("recognize", total=lambda: line_count(arguments.lines), quiet=quiet)


def _read(recognizer: "Recognizer", item: Listed) -> "LineInput | str":
    """A line as the model sees it, or what is wrong with it, beginning with its name."""
    if item.line is None:
        return item.error
    try:
        read = recognizer.read(item.line)
        if read.looks_like_a_page:
            advice = "give a page's ALTO or PAGE .xml, or its lines"
            tell(f"recognize: {item.name}: higher than wide, and read as one line; {advice}")
        return read
    except DataError as error:
        return str(error) if item.name in str(error) else f"{item.name}: {error}"


main = guarded(run)
