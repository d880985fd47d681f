"""Every command of the README runs as it stands there, on a small corpus and for a few steps."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from nmt.config.lines import LineSource
from nmt.data.demo import generate
from nmt.data.lines.digits import read_digits
from nmt.data.lines.line import Pixels

# Appended to every training the README shows, so that it takes seconds.
FEW_STEPS = "--train.max_epochs null --train.max_steps 3 --model.hidden_size 32 --search.beam_size 3"


def blocks(repository: Path, language: str) -> list[str]:
    text = (repository / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def shortened(command: str) -> str:
    if "train.py" in command and "--config" in command:
        own = "--model.embedding_size 32" if "gnmt_" in command else "--train.validate_every_steps 3"
        few = f"{command} {FEW_STEPS} {own}"
        return few + " --data.train '[{path: train, kind: digits, lines: 20}]'" * ("digits_small" in command)
    return command.replace("--beam-size 5", "--beam-size 2 --max-length 20")


def write_example_corpus(folder: Path) -> None:
    """corpus/{train,val,test}.{de,en} and corpus/more.tsv, which the README speaks of."""
    folder.mkdir()
    pairs = generate("train")
    for name, part in (("train", pairs[:300]), ("val", pairs[300:310]), ("test", pairs[310:320])):
        for side, language in enumerate(("de", "en")):
            (folder / f"{name}.{language}").write_text("".join(f"{p[side]}\n" for p in part), encoding="utf-8")
    (folder / "more.tsv").write_text("de\ten\n" + "".join(f"{a}\t{b}\n" for a, b in pairs[320:400]), encoding="utf-8")


def write_example_lines(folder: Path) -> None:
    """lines/{train,val}: images and a lines.tsv, which the README speaks of."""
    for name, split in (("train", "train"), ("val", "validation")):
        (folder / name).mkdir(parents=True)
        rows = ["file\twriter\ttext\n"]
        for number, line in enumerate(read_digits(LineSource(path=split, kind="digits", lines=12))):
            read = line.recording.read()
            assert isinstance(read, Pixels)
            Image.fromarray(read.values).save(folder / name / f"{number}.png")
            rows.append(f"{number}.png\t{name}\t{line.text}\n")
        (folder / name / "lines.tsv").write_text("".join(rows), encoding="utf-8")


@pytest.mark.slow
def test_the_commands_of_the_readme_run(repository: Path, tmp_path: Path) -> None:
    write_example_corpus(tmp_path / "corpus")
    write_example_lines(tmp_path / "lines")
    for name in ("scripts", "configs"):
        (tmp_path / name).symlink_to(repository / name)
    programs = {"OMP_NUM_THREADS": "1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    commands = [c for block in blocks(repository, "sh") for c in block.replace("\\\n", " ").strip().split("\n")]
    assert len(commands) >= 9
    for command in commands:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", shortened(command)],
            cwd=tmp_path,
            env={**os.environ, **programs, "PYTHONPATH": str(repository)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert len((tmp_path / "test.hypotheses").read_text(encoding="utf-8").splitlines()) == 10
    for block in blocks(repository, "python"):
        code = ["-c", block]
        done = subprocess.run(
            [sys.executable, *code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(repository)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(done.stdout.splitlines()) == 2


def test_the_tree_and_the_targets_of_the_readme_exist(repository: Path) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    tree = text.partition("## The tree")[2].partition("[CONTRIBUTING")[0]
    named = [line.split()[0] for line in tree.splitlines() if line.startswith("    ")]
    assert len(named) == 15
    assert [name for name in named if not (repository / name).is_dir()] == []
    for page in (repository / "README.md", *(repository / "docs").rglob("*.md")):  # no table left to be filled in
        assert not re.search(r"^[A-Z][A-Z0-9]*_[A-Z0-9_]+$", page.read_text(encoding="utf-8"), flags=re.MULTILINE), page
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make (\w+)`|^    make (\w+)$", text, flags=re.MULTILINE):
        assert f"\n{''.join(target)}:" in makefile
    configured = {path.stem for path in (repository / "configs").glob("*.yaml")}
    assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)) == configured
