"""An argument parser whose complaints are errors of ours: one line, without the usage in front of it."""

import argparse
import difflib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Never

from nmt.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """argparse's parser for `nmt NAME`: options are never abbreviated, `examples` stand below the help as written."""

    def __init__(self, prog: str, *, description: str = "", examples: str | None = None, **others: Any) -> None:
        """`others` are argparse's own, which hands them down to the parsers of actions."""
        super().__init__(
            prog=prog,
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **others,
        )
        self._words: list[str] = []

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """argparse's; the words are kept for what `error` may have to say about them."""
        self._words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(self._words, namespace)

    def error(self, message: str) -> Never:
        """Raise ConfigError with what may have been meant by an option that there is not, and where to look further."""
        typed = (word.partition("=")[0] for word in self._words if word.startswith("--"))
        hints = {word: near for word in typed if "." not in word and (near := self.meant(word)) is not None}
        if not hints:
            raise ConfigError(f"{message}; see {self.prog} --help")
        asked = ", ".join(f"{word}: did you mean {near}?" for word, near in hints.items())
        raise ConfigError(f"{message}; {asked} See {self.prog} --help")

    def meant(self, word: str, *, cutoff: float = 0.7) -> str | None:
        """The option that `--word` begins, or is most like; None where it is one itself, or like none."""
        known = {name.strip("-"): name for name in self._names() if name.startswith("--")}
        bare = word.strip("-").replace("_", "-")
        if word in self._names(hidden=True):
            return None
        begun = [name for name in known if name.startswith(bare)]
        near = begun if len(begun) == 1 else difflib.get_close_matches(bare, known, n=1, cutoff=cutoff)
        return known[near[0]] if near else None

    def _names(self, *, hidden: bool = False) -> Iterator[str]:
        """Every option, of the parsers of actions too; with `hidden`, also those that no help shows."""
        for action in self._actions:
            if hidden or action.help is not argparse.SUPPRESS:
                yield from action.option_strings
            for parser in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():
                yield from parser._names(hidden=hidden)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: a whole number from `low` to `high`."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is no whole number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be from {low:,} to {high:,}, got {value:,}")
        return value

    return number
