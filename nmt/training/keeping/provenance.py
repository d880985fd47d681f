"""What a run learns from, so that going on with something else is refused, and the difference named."""

from collections.abc import Mapping
from typing import Any

from nmt.errors import CheckpointError
from nmt.text.alphabet import Alphabet
from nmt.text.tokenizer import Tokenizers

HASH = 8  # digits of a hash that are shown


def check_unchanged(
    checkpoint: Mapping[str, Any], *, corpora: Mapping[str, Any] | None, tokenizers: Tokenizers
) -> None:
    """Raise CheckpointError where a checkpoint's `nmt` part tells of other files, pairs or tokenizers than these.

    `corpora` are `Corpora.contents`; they are not compared with a checkpoint of before they were kept.
    """
    known = checkpoint["about"].get("corpora")
    differences = [] if known is None or corpora is None else _corpora(known, corpora, unit="pairs")
    _refuse([*differences, *_tokenizers(checkpoint["tokenizers"], tokenizers)], what="corpus or the tokenizer")


def check_same_lines(checkpoint: Mapping[str, Any], *, corpora: Mapping[str, Any] | None, alphabet: Alphabet) -> None:
    """The same for a recogniser's lines and alphabet."""
    known = checkpoint["about"].get("corpora")
    differences = [] if known is None or corpora is None else _corpora(known, corpora, unit="lines")
    if tuple(checkpoint["alphabet"]) != alphabet.symbols:
        differences.append(f"alphabet: {len(checkpoint['alphabet'])} characters there, {len(alphabet.symbols)} now")
    _refuse(differences, what="lines or the alphabet")


def _refuse(differences: list[str], *, what: str) -> None:
    if differences:
        raise CheckpointError(
            f"the {what} differs from what this run was trained with:\n"
            + "\n".join(f"  {line}" for line in differences)
            + "\ngive the old ones back, or start a new --run-dir"
        )


def _corpora(old: Mapping[str, Any], new: Mapping[str, Any], *, unit: str) -> list[str]:
    lines = []
    for name in dict.fromkeys([*old, *new]):
        before, after = (side.get(name, {"files": {}, "pairs": None}) for side in (old, new))
        for file in dict.fromkeys([*before["files"], *after["files"]]):
            was, now = before["files"].get(file), after["files"].get(file)
            if was is None or now is None:
                lines.append(f"{name}: {file} {'was not there' if was is None else 'is not read any more'}")
            elif was != now:
                lines.append(f"{name}: {file} has changed: its content was {_short(was)}, and is {_short(now)}")
        if before["pairs"] != after["pairs"] and None not in (before["pairs"], after["pairs"]):
            lines.append(f"{name}: {before['pairs']:,} {unit} after preparation there, {after['pairs']:,} now")
    return lines


def _tokenizers(old: Mapping[str, Any], new: Tokenizers) -> list[str]:
    lines = []
    for side, tokenizer in zip(("source", "target"), new, strict=True):
        if old[side] != tokenizer.model:
            sizes = f"{len(old[side]):,} bytes there, {len(tokenizer.model):,} now"
            lines.append(f"tokenizer: the {side} model is another one ({sizes})")
    return lines


def _short(content: str) -> str:
    return content if " " in content else content[:HASH]
