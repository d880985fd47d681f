"""Whole runs of `translate` with a real, tiny model: killed and resumed, on processes, on ranks: the same bytes."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_checkpoint import write_tiny_checkpoint

WORDS = "ein Hund läuft zwei Hunde laufen schnell eine Katze schläft".split()
LINES = 240
OPTIONS = ("--threads", "1", "--device", "cpu", "--split-tokens", "30", "--sampling", "--format", "jsonl")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A checkpoint, an input in which empty and long lines occur, and its translation by one process."""
    folder = tmp_path_factory.mktemp("translate")
    write_tiny_checkpoint(folder / "model.ckpt")
    draw = random.Random(1)
    lines = [" ".join(draw.choices(WORDS, k=draw.choice([0, 1, 3, 8]))) for _ in range(LINES)]
    lines[30] = ". ".join(lines).replace("ein", "Ein")
    (folder / "in.de").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    result = subprocess.run(command(folder, repository, "one.en"), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (folder / "one.en").read_bytes().count(b"\n") == LINES
    return folder


def command(folder: Path, repository: Path, output: str, *more: str) -> list[str]:
    script = repository / "scripts" / "translate.py"
    files = ["--checkpoint", folder / "model.ckpt", "--input", folder / "in.de", "--output", folder / output]
    return [sys.executable, *map(str, [script, *files, *OPTIONS, *more])]


def killed_midway(folder: Path, repository: Path, output: str, kill: signal.Signals) -> bool:
    """Start, and kill once some lines are there. False: on a busy machine the run was done before the signal came."""
    partial = folder / f"{output}.partial"
    with subprocess.Popen(command(folder, repository, output), stderr=subprocess.PIPE) as process:
        while not (folder / output).exists() and not (partial.exists() and partial.read_bytes().count(b"\n") >= 5):
            assert process.poll() in (None, 0)
            time.sleep(0.005)
        process.send_signal(kill)
        status = process.wait()
    if status == 0:
        (folder / output).unlink()
        return False
    assert status == (-9 if kill == signal.SIGKILL else 130)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_to_the_same_bytes(folder: Path, repository: Path, kill: signal.Signals) -> None:
    output = f"{kill.name}.en"
    partial = folder / f"{output}.partial"
    assert any(killed_midway(folder, repository, output, kill) for _ in range(5))
    done = partial.read_bytes()
    assert not (folder / output).exists()
    assert 5 <= done.count(b"\n") < LINES
    assert (folder / "one.en").read_bytes().startswith(done)
    result = subprocess.run(command(folder, repository, output, "--resume"), capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (folder / output).read_bytes() == (folder / "one.en").read_bytes()
    assert list(folder.glob(f"{output}.*")) == [folder / f"{output}.resume.json"]


@pytest.mark.slow
def test_two_processes_write_what_one_writes(folder: Path, repository: Path) -> None:
    done = b"".join((folder / "one.en").read_bytes().splitlines(keepends=True)[:50])
    result = subprocess.run(
        command(folder, repository, "two.en", "--devices", "2"), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert (folder / "two.en").read_bytes() == (folder / "one.en").read_bytes()
    assert done


@pytest.mark.slow
def test_what_is_wrong_in_a_process_is_said_once(folder: Path, repository: Path) -> None:
    result = subprocess.run(
        command(folder, repository, "bad.en", "--devices", "2", "--n-best", "99", "--no-sampling"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr == "error: --n-best 99: more than the beam holds (3); raise --beam-size\n"


@pytest.mark.slow
def test_two_ranks_write_what_one_process_writes(folder: Path, repository: Path) -> None:
    """Ranks of `torchrun`, with a last line that is no text: it ends both, after the lines before it."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    bad = (folder / "in.de").read_bytes() + b"\xff\n"
    (folder / "bad.de").write_bytes(bad)
    given = command(folder, repository, "ranks.en", "--input", str(folder / "bad.de"))[1:]
    result = subprocess.run([*torchrun, *given], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert f"bad.de:{LINES + 1}: byte 0xff" in result.stderr
    assert (folder / "ranks.en.partial").read_bytes() == (folder / "one.en").read_bytes()
