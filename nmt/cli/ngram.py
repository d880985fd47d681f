"""`ngram`: a character n-gram language model of a text, as an ARPA file for `recognize` and `evaluate-lines`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from nmt.cli.arguments import Parser, whole_number
from nmt.cli.guard import guarded
from nmt.cli.lines import require_file, stream_lines
from nmt.cli.output import check_output
from nmt.errors import DataError

EXAMPLES: Final = """examples:
  python scripts/ngram.py --input letters.txt more.txt.gz --order 6 --output french.arpa
  python scripts/ngram.py --input letters.txt --order 6 --output french.arpa --held-out other.txt
  python scripts/recognize.py --checkpoint runs/lines --language-model french.arpa --beam-size 16 line.png

Text is UTF-8, a line of text as it would stand in a line of writing. Characters that the recogniser does not know are
harmless. A run with --search.ngram_order 6 makes a model of its own transcripts; more text than those is often better.
"""


def parser() -> argparse.ArgumentParser:
    """All options of the command."""
    options = Parser("ngram", description="Make a character language model of a text.", examples=EXAMPLES)
    options.add_argument("--input", nargs="+", type=Path, required=True, metavar="FILE", help="text, also gzipped")
    options.add_argument("--output", type=Path, required=True, metavar="FILE", help="the model, french.arpa say")
    options.add_argument(
        "--order", type=whole_number(1, 12), default=6, metavar="N", help="characters at a time (default: 6)"
    )
    options.add_argument(
        "--normalization", choices=("nfc", "nfkc", "none"), default="nfc", help="Unicode form (default: nfc)"
    )
    options.add_argument("--held-out", type=Path, metavar="FILE", help="a text whose perplexity is printed")
    return options


def run(argv: list[str]) -> int:
    """Read, count, write."""
    arguments = parser().parse_args(argv)
    held_out = [] if arguments.held_out is None else [arguments.held_out]
    for path in (*arguments.input, *held_out):
        require_file(path)
    check_output(arguments.output, inputs=[*arguments.input, *held_out])
    from nmt.text.arpa import write_arpa
    from nmt.text.ngram import estimate

    texts = list(_texts(arguments.input, arguments.normalization))
    if not texts:
        raise DataError(f"{', '.join(map(str, arguments.input))}: no line of text")
    model = estimate(texts, arguments.order)
    write_arpa(model, arguments.output)
    print(f"{arguments.output}: {arguments.order}-grams of {sum(map(len, texts)):,} characters", file=sys.stderr)
    for path in held_out:
        others = list(_texts([path], arguments.normalization))
        if not others:
            raise DataError(f"{path}: no line of text")
        print(f"{path}: perplexity {model.perplexity(others):.2f} per character, ends of lines counted")
    return 0


def _texts(paths: Sequence[Path], form: str) -> Iterator[str]:
    """Normalised lines that say anything."""
    from nmt.text.normalize import normalize

    for path in paths:
        for line in stream_lines(path):
            if text := normalize(line, form):  # type: ignore[arg-type]  # one of the choices
                yield text


main = guarded(run)
