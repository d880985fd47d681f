"""An argument parser whose complaints are errors of ours: one line, without the usage in front of it."""

import argparse
from typing import Never

from nmt.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """argparse's parser for `nmt NAME`: options are never abbreviated, `examples` stand below the help as written."""

    def __init__(self, name: str, *, description: str, examples: str) -> None:
        super().__init__(
            prog=name,
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> Never:
        """Raise ConfigError with where to look further."""
        raise ConfigError(f"{message}; see {self.prog} --help")
