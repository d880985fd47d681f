"""`nmt COMMAND ...`: hands the arguments to the command's own file, and imports no other."""

import difflib
from importlib import import_module
from typing import Final

from nmt import __version__
from nmt.cli.guard import guarded
from nmt.errors import ConfigError

COMMANDS: Final = {
    "train": "train a translator on sentence pairs, or a recogniser on lines of handwriting",
    "translate": "translate a text file, one sentence a line",
    "recognize": "read lines of handwriting from images, pages and pen strokes",
    "evaluate": "score translations: BLEU, chrF++ and TER, with signatures",
    "evaluate-lines": "score a recogniser: CER and WER with intervals, a page of the worst lines",
    "score": "log-probability and perplexity of given translations",
    "tokenizer": "train a SentencePiece model by itself, and use it on text",
    "ngram": "make a character language model of a text, for recognize",
    "demo-text": "write the embedded corpus as text files",
}

HELP: Final = """usage: nmt COMMAND ...

Recurrent sequence models that train on a laptop: a translator (GNMT) and a reader of handwriting (CTC).

commands:
{commands}

  nmt COMMAND --help    options and examples of a command
  nmt --version         version of this package

translate, from a corpus of sentence pairs; gnmt_small holds one, and takes minutes:
  nmt train --config gnmt_small --run-dir runs/demo
  echo "Der alte Mann schläft." | nmt translate --checkpoint runs/demo

read handwriting, from images of lines and their texts; digits_small holds some, and takes minutes:
  nmt train --config digits_small --run-dir runs/digits
  nmt train --config lines_small --run-dir runs/lines --data.train lines/train --data.validation lines/val
  nmt recognize --checkpoint runs/lines lines/new
"""


def run(argv: list[str]) -> int:
    """Find the command and run it. Raises ConfigError, with the nearest name, where there is none."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(HELP.format(commands="\n".join(f"  {name:<16}{text}" for name, text in COMMANDS.items())), end="")
        return 0 if argv else 2
    if argv[0] in ("-V", "--version"):
        print(f"nmt {__version__}")
        return 0
    name, *arguments = argv
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, [*COMMANDS, "--help", "--version"], n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
        raise ConfigError(f"no command {name!r}; {hint}")
    code: int = import_module(f"nmt.cli.{name.replace('-', '_')}").main(arguments)
    return code


main = guarded(run)
