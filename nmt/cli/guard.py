"""How every command ends: an error of ours as one message, Ctrl-C and a closed pipe without a traceback."""

import atexit
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

from nmt.errors import NMTError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
PIPE_CLOSED = 141  # 128 + SIGPIPE


def guarded(run: Callable[[list[str]], int]) -> Callable[[Sequence[str] | None], int]:
    """Wrap a command `run(arguments) -> exit code` into a `main(arguments=None) -> exit code`.

    NMTError becomes `error: …`, or its own label, and its own exit code; any other exception is a defect and keeps its
    traceback. Without arguments, `main` is the whole program, and Ctrl-C while Python ends leaves no traceback either.
    """

    def main(argv: Sequence[str] | None = None) -> int:
        if argv is not None:
            return _code(run, list(argv))
        # Called late: after it Python gives the signal its default back, which would kill, unless it is ignored.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
        code = _code(run, sys.argv[1:])
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))  # what hangs while Python ends can be stopped
        return code

    return main


def _code(run: Callable[[list[str]], int], argv: list[str]) -> int:
    """The exit code of a command, whose complaint has been printed."""
    _open_streams()
    try:
        code = _returned(run, argv)
        sys.stdout.flush()  # a closed pipe shows here, where it can still be caught
    except NMTError as error:
        print(f"{error.label}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as stopped:
        print(*("interrupted", *stopped.args), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has left (`| head`)
        _forget_output()
        return PIPE_CLOSED
    except OSError as error:
        said = _explained(error)
        if said is None:
            raise
        print(f"error: {said}", file=sys.stderr)
        return 1
    return code


def _returned(run: Callable[[list[str]], int], argv: list[str]) -> int:
    """The exit code, also of what leaves by SystemExit, as argparse does before its help text is out of the buffer."""
    try:
        return run(argv)
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        raise


def _explained(error: OSError) -> str | None:
    """What went wrong with a place that the user named, or that follows from one; None for a defect."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error.filename or 'output'}: no space left on the device; free some"
    if error.errno == errno.EFBIG:
        return f"{error.filename or 'output'}: larger than files may be here (ulimit -f)"
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if error.errno == errno.EBADF and _is_closed(sys.stdout):
        _forget_output()
        return "standard output: is closed, and what should have gone there is lost; open it, or name a file"
    return None


def _open_streams() -> None:
    """Stand in for standard streams that the caller has closed, and never fail over a character they cannot show.

    Nothing is read and no message seen then; but what should go to a closed standard output must not vanish, so that
    writing into it fails.
    """
    for name, mode, access in (("stdin", "r", os.O_RDWR), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_RDWR)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, access), mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _is_closed(stream: TextIO) -> bool:
    """Whether nothing can be written: not even nothing."""
    try:
        os.write(stream.fileno(), b"")
    except OSError:  # also where a test's stream has no file
        return True
    return False


def _forget_output() -> None:
    """The interpreter flushes what is left once more on its way out: into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
