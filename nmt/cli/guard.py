"""How every command ends: an error of ours as one message, Ctrl-C and a closed pipe without a traceback."""

import errno
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
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            print(f"error: {error.filename or 'output'}: no space left on the device; free some", file=sys.stderr)
            return 1
        return code

    return main
