"""`tokenizer`: train a SentencePiece model by itself, and turn lines into pieces and back."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nmt.cli.arguments import Parser
from nmt.cli.guard import guarded
from nmt.cli.lines import decode_lines, require_file, stream_lines
from nmt.cli.output import check_output
from nmt.errors import ConfigError, DataError, NMTError
from nmt.files import atomic_write

if TYPE_CHECKING:
    from nmt.text.tokenizer import Tokenizer

TYPED: Final = {  # an example of each action
    "train": "nmt tokenizer train --input train.en train.de.gz --output spm.model --vocabulary-size 8000",
    "encode": "nmt tokenizer encode --model spm.model < test.en > test.en.pieces",
    "decode": "nmt tokenizer decode --model spm.model < test.en.pieces",
}
EXAMPLES: Final = f"""examples:
  {TYPED["train"]}
  {TYPED["encode"]}
  {TYPED["decode"]}

Text is UTF-8, one sentence a line; as many lines come out of encode and decode as went in. A model trained here is used
with --tokenizer.model spm.model (both languages) or --tokenizer.source_model and --tokenizer.target_model.
"""
FORMS: Final = ("nfc", "nfkc", "none")


def parser() -> argparse.ArgumentParser:
    """The options of all three."""
    options = Parser("tokenizer", description="SentencePiece models: train, encode, decode.", examples=EXAMPLES)
    actions = options.add_subparsers(dest="action", required=True, metavar="train|encode|decode")
    texts = {
        "train": "learn a vocabulary from text files",
        "encode": "lines → pieces, separated by spaces",
        "decode": "pieces → lines",
    }
    made = {
        name: actions.add_parser(name, help=text, examples=f"example:\n  {TYPED[name]}\n")
        for name, text in texts.items()
    }
    _add_train_options(made.pop("train"))
    for action in made.values():
        action.add_argument("--model", type=Path, required=True, metavar="FILE")
        action.add_argument("--normalization", choices=FORMS, default="nfc", help="as it was trained (default: nfc)")
        action.add_argument("--ids", action="store_true", help="numbers in place of pieces")
    return options


def run(argv: list[str]) -> int:
    """Train, encode or decode."""
    arguments = parser().parse_args(argv)
    if arguments.action == "train":
        return _train(arguments)
    from nmt.text.tokenizer import Tokenizer

    tokenizer = Tokenizer.from_file(arguments.model, normalization=arguments.normalization)
    convert = _encode if arguments.action == "encode" else _decode
    for number, line in enumerate(decode_lines(sys.stdin.buffer, name="standard input"), start=1):
        try:
            output = convert(tokenizer, line, arguments.ids)
        except NMTError as error:
            raise DataError(f"standard input:{number}: {error}") from None
        sys.stdout.buffer.write(output.encode("utf-8") + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _add_train_options(options: argparse.ArgumentParser) -> None:
    options.add_argument("--input", nargs="+", type=Path, required=True, metavar="FILE", help="text, also gzipped")
    options.add_argument("--output", type=Path, required=True, metavar="FILE", help="the model, spm.model say")
    options.add_argument("--vocabulary-size", type=int, default=8000, metavar="N", help="pieces (default: 8000)")
    options.add_argument("--kind", choices=("unigram", "bpe"), default="unigram", help="default: unigram")
    options.add_argument("--normalization", choices=FORMS, default="nfc", help="Unicode form (default: nfc)")
    options.add_argument("--character-coverage", type=float, default=0.9995, metavar="X", help="default: 0.9995")
    options.add_argument("--no-byte-fallback", action="store_true", help="unknown characters are unknown, not bytes")
    options.add_argument(
        "--user-symbols", nargs="+", default=[], metavar="SYMBOL", help="kept whole wherever they stand"
    )
    options.add_argument("--max-training-lines", type=int, default=2_000_000, metavar="N", help="default: 2000000")
    options.add_argument("--seed", type=int, default=1, metavar="N", help="which lines, if there are more (default: 1)")


def _train(arguments: argparse.Namespace) -> int:
    from pydantic import ValidationError

    from nmt.config.data import TokenizerConfig
    from nmt.config.problems import explain

    try:
        config = TokenizerConfig(
            kind=arguments.kind,
            vocabulary_size=arguments.vocabulary_size,
            byte_fallback=not arguments.no_byte_fallback,
            character_coverage=arguments.character_coverage,
            user_symbols=tuple(arguments.user_symbols),
            normalization=arguments.normalization,
            max_training_lines=arguments.max_training_lines,
        )
    except ValidationError as error:
        raise ConfigError(
            "\n".join(f"--{line.replace('_', '-')}" for line in explain(error, {}, TokenizerConfig))
        ) from None
    for path in arguments.input:
        require_file(path)
    check_output(arguments.output, inputs=arguments.input)
    from nmt.text.tokenizer import Tokenizer

    lines = (line for path in arguments.input for line in stream_lines(path))
    tokenizer = Tokenizer.train(lines, config=config, seed=arguments.seed)
    atomic_write(arguments.output, tokenizer.model)
    print(f"{arguments.output}: {tokenizer.vocabulary_size} pieces ({config.kind})", file=sys.stderr)
    return 0


def _encode(tokenizer: "Tokenizer", line: str, as_ids: bool) -> str:
    ids = tokenizer.encode(line)
    return " ".join(map(str, ids) if as_ids else tokenizer.pieces(ids))


def _decode(tokenizer: "Tokenizer", line: str, as_ids: bool) -> str:
    words = line.split()
    if not as_ids:
        return tokenizer.decode(tokenizer.ids(words))
    if wrong := next((word for word in words if not re.fullmatch("[0-9]{1,9}", word)), None):
        raise DataError(f"{wrong!r} is no id; without --ids pieces are read")
    return tokenizer.decode([int(word) for word in words])


main = guarded(run)
