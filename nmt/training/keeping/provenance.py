"""What a run learns from, so that going on with something else is refused, and the difference named."""

from collections.abc import Mapping, Sequence
from typing import Any

from nmt.errors import CheckpointError

HASH = 8  # digits of a hash that are shown


def check_unchanged(
    checkpoint: Mapping[str, Any],
    *,
    corpora: Mapping[str, Any] | None,
    unit: str,
    spelling: Sequence[str],
    what: str,
) -> None:
    """Raise CheckpointError where a checkpoint's `nmt` part tells of something else than this run learns from.

    `corpora` are the contents of train, validation and test, in `unit`s ("pairs"); they are not compared with a
    checkpoint of before they were kept. `spelling` has the differences in what makes ids of text, a sentence each, and
    `what` names all that is looked at ("corpus or the tokenizer").
    """
    known = checkpoint["about"].get("corpora")
    differences = [] if known is None or corpora is None else _corpora(known, corpora, unit=unit)
    if lines := [*differences, *spelling]:
        raise CheckpointError(
            f"the {what} differs from what this run was trained with:\n"
            + "\n".join(f"  {line}" for line in lines)
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


def _short(content: str) -> str:
    return content if " " in content else content[:HASH]
