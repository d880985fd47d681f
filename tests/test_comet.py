"""COMET as somebody else's program: what it is given, what is read from it, and what happens when it fails."""

import os
import sys
from pathlib import Path

import pytest

from nmt.errors import ConfigError, DataError
from nmt.metrics.comet import MODEL, check_comet, comet_scores

# Prints as comet-score 2.2 does with --quiet --only_system, after the noise of the libraries below it.
FAKE = """#!{python}
import argparse, pathlib, sys
options = argparse.ArgumentParser()
for name in ("-s", "-r", "--model", "--gpus"):
    options.add_argument(name)
options.add_argument("-t", nargs="+")
options.add_argument("--quiet", action="store_true")
options.add_argument("--only_system", action="store_true")
given = options.parse_args()
if given.model == "broken":
    print("downloading", file=sys.stderr)
    sys.exit("OSError: no network")
if given.model == "silent":
    sys.exit(0)
count = [len(pathlib.Path(path).read_text(encoding="utf-8").splitlines()) for path in [given.s, given.r, *given.t]]
assert set(count) == {{2}}, count
assert given.quiet and given.only_system and given.gpus == "3"
print("Global seed set to 1")
for path in given.t:
    good = pathlib.Path(path).read_text().splitlines() == pathlib.Path(given.r).read_text().splitlines()
    print(f"{{path}}\\tscore: {{0.98765 if good else -0.5:.4f}}")
if given.model == "late":
    sys.exit("killed")
"""


@pytest.fixture
def _fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "comet-score"
    command.write_text(FAKE.format(python=sys.executable))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


REFERENCES, SOURCES = ["a dog", "a cat\rruns"], ["ein Hund", "eine Katze"]


@pytest.mark.usefixtures("_fake")
def test_every_system_gets_its_score() -> None:
    systems = [["no", "thing"], REFERENCES]
    found = comet_scores(systems, REFERENCES, SOURCES, gpus=3)
    assert [one.score for one in found] == [-0.5, 0.9877]
    assert found[0].signature == f"command:comet-score|model:{MODEL}"


@pytest.mark.usefixtures("_fake")
@pytest.mark.parametrize(
    ("model", "end"),
    [
        ("broken", "status 1: OSError: no network"),
        ("silent", "status 0: it printed no scores"),
        ("late", "status 1: killed"),
    ],
)
def test_its_failure_is_one_message(model: str, end: str) -> None:
    with pytest.raises(DataError, match=f"^comet-score --model {model} failed with exit {end}$"):
        comet_scores([REFERENCES], REFERENCES, SOURCES, model=model, gpus=3)


def test_without_the_command_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for call in (check_comet, lambda: comet_scores([REFERENCES], REFERENCES, SOURCES)):
        with pytest.raises(
            ConfigError, match=r"comet-score, which is not on the PATH; .*\(pipx install unbabel-comet\)"
        ):
            call()
