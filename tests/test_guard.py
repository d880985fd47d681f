"""How commands end: Ctrl-C at any moment, standard streams that are closed, readers that leave."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def command(body: str, shell: str = '"$@"', **options: object) -> "subprocess.CompletedProcess[str]":
    """The whole program of a command with this body, started from a shell, which can close streams."""
    code = f"import sys\nfrom nmt.cli.guard import guarded\ndef run(argv):\n    {body}\nsys.exit(guarded(run)())"
    return subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


HANGING = "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGINT); print('done'); return 0"
LATE = """global late
    import os, signal
    class Late:
        def __del__(self, kill=os.kill, us=os.getpid(), number=signal.SIGINT):
            kill(us, number)
    late = Late()
    print('done')
    return 0"""


@pytest.mark.parametrize(("body", "code"), [(HANGING, 130), (LATE, 0)], ids=["hanging", "late"])
def test_ctrl_c_when_all_is_done_leaves_no_traceback(body: str, code: int) -> None:
    """While Python ended it was a traceback, or a death by signal 2: what it does on its own way out."""
    done = command(body)
    assert (done.returncode, done.stdout, done.stderr) == (code, "done\n", "")


def test_ctrl_c_in_a_command_is_said() -> None:
    done = command("raise KeyboardInterrupt")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_a_main_with_arguments_leaves_signals_alone() -> None:
    from nmt.cli.guard import guarded

    before = signal.getsignal(signal.SIGINT)
    assert guarded(lambda argv: len(argv))(["a", "b"]) == 2
    assert signal.getsignal(signal.SIGINT) is before


CLOSED = "error: standard output: is closed, and what should have gone there is lost; open it, or name a file\n"


@pytest.mark.parametrize("body", ["print('text'); return 0", "sys.stdout.buffer.write(b'text'); return 0"])
def test_what_cannot_be_written_to_a_closed_output_is_said(body: str) -> None:
    """The exit code was 0, and the translations were nowhere."""
    done = command(body, '"$@" >&-')
    assert (done.returncode, done.stderr) == (1, CLOSED)


def test_a_command_that_writes_nothing_there_does_not_mind() -> None:
    done = command("print('all well', file=sys.stderr); return 0", '"$@" >&-')
    assert (done.returncode, done.stderr) == (0, "all well\n")


def test_all_streams_may_be_closed() -> None:
    assert command("sys.stdin.read(); print('unseen', file=sys.stderr); return 3", '"$@" <&- >&- 2>&-').returncode == 3


def test_a_reader_that_leaves_is_no_error() -> None:
    done = command(
        "[print('text', flush=True) for _ in range(100_000)]; return 0", '{ "$@"; echo $? >&2; } | head -n 1'
    )
    assert (done.stdout, done.stderr) == ("text\n", "141\n")


@pytest.mark.parametrize(
    "words", [["--help"], ["translate", "--help"], ["recognize", "--help"], ["tokenizer", "--help"]]
)
def test_help_into_a_closed_output_is_an_error(words: list[str]) -> None:
    """argparse left by SystemExit before its text was written."""
    arguments = ["sh", "-c", '"$@" >&-', "sh", sys.executable, "-m", "nmt", *words]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, CLOSED)
