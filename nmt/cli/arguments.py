"""An argument parser whose complaints are errors of ours: one line, without the usage in front of it."""

import argparse
from collections.abc import Callable
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

    def error(self, message: str) -> Never:
        """Raise ConfigError with where to look further."""
        raise ConfigError(f"{message}; see {self.prog} --help")


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
