"""How every command ends: an error of ours as one message, Ctrl-C and a closed pipe without a traceback."""

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence

from nmt.errors import NMTError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
PIPE_CLOSED = 141  # 128 + SIGPIPE


def guarded(run: Callable[[list[str]], int]) -> Callable[[Sequence[str] | None], int]:
    """Wrap a command `run(arguments) -> exit code` into a `main(arguments=None) -> exit code`.

    NMTError becomes `error: …` and its own exit code; any other exception is a defect and keeps its traceback.
    """

    def main(argv: Sequence[str] | None = None) -> int:
        _open_streams()
        try:
            code = run(list(sys.argv[1:] if argv is None else argv))
            sys.stdout.flush()  # a closed pipe shows here, where it can still be caught
        except NMTError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has left (`| head`). The interpreter flushes again on its way out: into nothing.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                print(f"error: {error.filename or 'output'}: no space left on the device; free some", file=sys.stderr)
            elif error.errno == errno.EFBIG:
                print(
                    f"error: {error.filename or 'output'}: larger than files may be here (ulimit -f)", file=sys.stderr
                )
            elif error.filename is not None:  # a place the user named, or that follows from one
                print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
            else:
                raise
            return 1
        return code

    return main


def _open_streams() -> None:
    """Stand in for standard streams that the caller has closed, and never fail over a character they cannot show."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
