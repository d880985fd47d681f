"""Translating what somebody types: a prompt with line editing, every line answered at once."""

import io
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

HELP = """Type a sentence and press Enter. Arrow keys edit it and bring back earlier ones.
  :help         this text
  :quit         leave, as Ctrl-D does; Ctrl-C forgets what stands on the line"""


def typed_lines(*, say: Callable[[str], None] | None = None) -> Iterator[str]:
    """Lines as they are typed, without the commands among them, until the end of the input or `:quit`.

    On a terminal a prompt is shown and `readline`, where it is there, edits the line. `say` prints the answer to
    `:help`.
    """
    answer = say or print
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if terminal:
        with suppress(ImportError):
            import readline  # noqa: F401, `input` uses it once it is imported
        answer("One sentence a line; :help says more, Ctrl-D ends.")
    while True:
        try:
            line = input("> " if terminal else "").rstrip("\r")
        except EOFError:
            if terminal:
                answer("")
            return
        except KeyboardInterrupt:
            if not terminal:
                raise
            answer("")
            continue
        command = line.strip()
        if command in (":quit", ":q"):
            return
        if command in (":help", ":h"):
            answer(HELP)
        elif re.fullmatch(r":[a-z]+", command):
            answer(f"there is no command {command}; :help lists them")
        else:
            yield line
