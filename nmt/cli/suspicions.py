"""What is wrong with a test set that can be scored all the same: tokenised texts, sides that are swapped."""

import sys
from collections.abc import Sequence


def warn_if_tokenized(name: str, hypotheses: Sequence[str]) -> None:
    """A line on the standard error output where most hypotheses end as tokenised text does."""
    tokenized = sum(line.endswith(" .") for line in hypotheses)
    if 2 * tokenized > len(hypotheses):
        print(
            f"evaluate: {name}: {tokenized} of {len(hypotheses)} hypotheses end in ' .', as tokenised text does;"
            " detokenise all files, or the score compares with nobody's",
            file=sys.stderr,
        )


def warn_if_swapped(
    name: str, hypotheses: Sequence[str], sources: Sequence[str], references: Sequence[Sequence[str]]
) -> None:
    """A line where hypotheses are in the language of their sources."""
    from nmt.metrics.sides import are_in_source_language

    if are_in_source_language(hypotheses, sources, references):
        print(
            f"evaluate: {name}: warning: the words of the hypotheses are those of --source, not of --reference; check"
            " that these two are not swapped, and which way this system translates",
            file=sys.stderr,
        )
