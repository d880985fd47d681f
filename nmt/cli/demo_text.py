"""`demo-text`: the embedded German-English corpus as plain text files, to look at, translate and score."""

import argparse
from pathlib import Path
from typing import Final

from nmt.cli.arguments import Parser
from nmt.cli.guard import guarded
from nmt.errors import DataError
from nmt.files import atomic_write

SPLITS: Final = ("train", "validation", "test", "test_long", "test_new")
EXAMPLES: Final = """examples:
  python scripts/demo_text.py --output runs/demo/text
  python scripts/demo_text.py --output my_corpus --splits train,validation

  a look at it, and a translation of its test sentences by what `train --config gnmt_small --run-dir runs/demo` made:
  paste -d "|" runs/demo/text/test.de runs/demo/text/test.en | head
  python scripts/translate.py --checkpoint runs/demo --input runs/demo/text/test.de

Writes DIR/SPLIT.de and DIR/SPLIT.en, one sentence a line. The sentences are generated, the same ones every time.
"""


def parser() -> argparse.ArgumentParser:
    """All options of the command."""
    options = Parser("demo-text", description="Write the embedded corpus as text files.", examples=EXAMPLES)
    options.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder, made if it is not there")
    options.add_argument("--splits", type=_splits, default=SPLITS, metavar="LIST", help=f"default: {','.join(SPLITS)}")
    return options


def run(argv: list[str]) -> int:
    """Write the files."""
    arguments = parser().parse_args(argv)
    from nmt.data.demo import DEMO_LANGUAGES, generate

    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise DataError(f"{arguments.output}: is a file, or lies below one; name a folder") from None
    for split in arguments.splits:
        pairs = generate(split)
        for side, language in enumerate(DEMO_LANGUAGES):
            text = "".join(f"{pair[side]}\n" for pair in pairs)
            file = arguments.output / f"{split}.{language}"
            if file.exists() and file.read_bytes() != text.encode("utf-8"):
                raise DataError(f"{file}: exists and holds something else; name another --output")
            atomic_write(file, text)
        print(f"{arguments.output / split}.{{{','.join(DEMO_LANGUAGES)}}}: {len(pairs)} pairs")
    return 0


def _splits(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in SPLITS:
            raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(SPLITS)}")
    return names


main = guarded(run)
