"""The run's folder: what it holds, what it refuses, and who may be in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.options import options, section
from nmt.config.recognition import RecognitionConfig
from nmt.config.schema import ROOTS, Config
from nmt.errors import ConfigError, StorageError
from nmt.files import atomic_write, replace_link, write_then_replace
from nmt.training.kinds import kind_of
from nmt.training.machine.environment import git_commit
from nmt.training.recognition.kind import RECOGNITION
from nmt.training.run import MAY_CHANGE, RunFolder, differing_keys, is_first_process
from nmt.training.translation.kind import TRANSLATION


def config(**sections: object) -> Config:
    return Config.model_validate(sections)


def test_a_new_folder_tells_all_about_the_run(tmp_path: Path) -> None:
    given = config(seed=7, data={"train": "corpus/träin"})
    with RunFolder(tmp_path / "run", given, command=["scripts/train.py", "--seed", "7"]) as run:
        pass
    assert Config.model_validate(yaml.safe_load((run.path / "config.yaml").read_text(encoding="utf-8"))) == given
    assert "träin" in (run.path / "config.yaml").read_text(encoding="utf-8")
    assert (run.path / "command.txt").read_text(encoding="utf-8").endswith("scripts/train.py --seed 7\n")
    (start,) = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
    assert start["python"] == ".".join(map(str, sys.version_info[:3]))
    assert start["packages"]["torch"] and start["packages"]["pytorch-lightning"]
    assert start["threads"] >= 1 and start["cpu"] is not None and start["host"]
    assert run.checkpoints.is_dir() and run.samples.is_dir()


def test_the_resume_script_runs_the_same_program_with_the_resolved_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "with space"
    work.mkdir()
    (work / "train.py").write_text("import os, sys; print(os.getcwd(), *sys.argv[1:], sep='|')")
    monkeypatch.chdir(work)
    with RunFolder("run", config(), command=["train.py", "--config", "gnmt_small", "--seed", "1"]) as run:
        pass
    monkeypatch.chdir(tmp_path)
    said = subprocess.run(run.resume_command, shell=True, capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"{work}|--config|{run.path}/config.yaml|--run-dir|{run.path}"
    for program in ("/usr/bin/nmt", "/site/nmt/__main__.py", "my_own_script.py"):
        with RunFolder(tmp_path / "other", config(), command=[program, "train"]) as other:
            pass
        assert f"exec {sys.executable} -m nmt train --config " in (other.path / "resume.sh").read_text()


def test_a_start_that_failed_before_it_learnt_anything_may_be_corrected(tmp_path: Path) -> None:
    with RunFolder(tmp_path, config(seed=1)):
        pass
    with RunFolder(tmp_path, config(seed=2)) as run:
        (run.checkpoints / "last-00000001.ckpt").touch()
    with pytest.raises(ConfigError, match="seed: 2 there, 3 now"):
        RunFolder(tmp_path, config(seed=3))


def test_going_on_keeps_the_history(tmp_path: Path) -> None:
    for command in (["nmt", "first"], ["nmt", "second"]):
        with RunFolder(tmp_path, config(), command=command) as run:
            assert run.log.exists()
    commands = (tmp_path / "command.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split()[-1] for line in commands] == ["first", "second"]
    assert len(json.loads((tmp_path / "environment.json").read_text(encoding="utf-8"))) == 2


def test_another_configuration_is_refused_and_names_every_difference(tmp_path: Path) -> None:
    with RunFolder(tmp_path, config(seed=1)) as run:
        (run.checkpoints / "last-00000001.ckpt").touch()
    other = config(seed=2, model={"hidden_size": 512}, train={"max_steps": 9})
    with pytest.raises(ConfigError) as caught:
        RunFolder(tmp_path, other)
    message = str(caught.value)
    assert "seed: 1 there, 2 now" in message and "model.hidden_size: 256 there, 512 now" in message
    assert "max_steps" not in message and "--run-dir" in message
    assert yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))["seed"] == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"data": {"train": "a b"}}, {"data": {"train": "c"}}, "data.train: a b there, c now"),
        (
            {"data": {"train": ["a", "b"]}},
            {"data": {"train": [{"path": "a", "weight": 2}, "demo:train"]}},
            "data.train: [a, b] there, [{path: a, weight: 2.0}, {path: train, kind: demo}] now",
        ),
        (
            {"data": {"cleaning": {"drop_copies": False}}},
            {"tokenizer": {"model": "m: 1"}},
            "data.cleaning.drop_copies: false there, true now; tokenizer.model: null there, 'm: 1' now",
        ),
    ],
)
def test_a_difference_is_said_as_it_is_written(
    tmp_path: Path, old: dict[str, object], new: dict[str, object], said: str
) -> None:
    """Once as Python's dictionaries, every default written out."""
    with RunFolder(tmp_path, config(**old)) as run:
        (run.checkpoints / "last-00000001.ckpt").touch()
    with pytest.raises(ConfigError) as caught:
        RunFolder(tmp_path, config(**new))
    lines = [line.strip() for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert sorted(lines) == sorted(said.split("; "))


def test_a_longer_run_elsewhere_is_the_same_run(tmp_path: Path) -> None:
    with RunFolder(tmp_path, config(train={"max_steps": 5})):
        pass
    longer = config(train={"max_steps": 9, "threads": 2}, logger="wandb", data={"cache_dir": "elsewhere"})
    with RunFolder(tmp_path, longer, may_change=TRANSLATION.may_change):
        pass
    assert yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))["train"]["max_steps"] == 9


def test_every_key_that_may_change_exists() -> None:
    for root in ROOTS.values():
        kind = kind_of(root())
        for key in (*MAY_CHANGE, *kind.may_change):
            assert key in options(root) or section(key, root), key
        assert not MAY_CHANGE & {*kind.may_change}


@given(st.integers(0, 5), st.integers(0, 5), st.integers(1, 5), st.integers(1, 5))
def test_differences_are_found_exactly(seed: int, other_seed: int, keep: int, other_keep: int) -> None:
    old = config(seed=seed, train={"max_steps": 1, "keep_last": keep})
    new = config(seed=other_seed, train={"max_steps": 1, "keep_last": other_keep})
    assert differing_keys(old, new) == ({} if seed == other_seed else {"seed": (seed, other_seed)})


def test_a_recogniser_has_a_folder_of_its_own_and_never_that_of_a_translator(tmp_path: Path) -> None:
    given = RecognitionConfig.model_validate({"data": {"train": "digits:train", "memory_megabytes": 1}})
    with RunFolder(tmp_path, given):
        pass
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    with RunFolder(tmp_path, given.model_copy(update={"data": given.data.model_copy(update={"workers": 2})})):
        pass
    with pytest.raises(ConfigError) as caught:
        RunFolder(tmp_path, Config())
    assert [line for line in str(caught.value).splitlines() if line.startswith("  ")] == [
        "  task: recognition there, translation now"
    ]


def test_how_a_recogniser_searches_may_change_and_how_a_translator_does_may_not() -> None:
    """The one searches at the end alone; the other at each validation, whose score decides."""
    old, new = ({"search": {"beam_size": beam}, "train": {"max_steps": 1}} for beam in (1, 4))
    readers = [RecognitionConfig.model_validate(given) for given in (old, new)]
    assert differing_keys(*readers, may_change=RECOGNITION.may_change) == {}
    translators = config(**old), config(**new)
    assert differing_keys(*translators, may_change=TRANSLATION.may_change) == {"search.beam_size": (1, 4)}
    other = readers[1].model_copy(update={"model": readers[1].model.model_copy(update={"layers": 1})})
    assert differing_keys(readers[0], other, may_change=RECOGNITION.may_change) == {"model.layers": (3, 1)}


def test_a_folder_without_a_task_is_a_translators(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: earlier\n")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    with RunFolder(tmp_path, Config()):
        pass
    assert yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))["task"] == "translation"


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"thesis\.tex"):
        RunFolder(tmp_path, config())
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(ConfigError, match="is a file"):
        RunFolder(tmp_path / "thesis.tex", config())


def test_an_unreadable_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: [")
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read; choose another --run-dir"):
        RunFolder(tmp_path, config())


HOLD = """
import sys
from nmt.config.schema import Config
from nmt.training.run import RunFolder
run = RunFolder(sys.argv[1], Config(), command=["nmt"])
print("holding", flush=True)
sys.stdin.read()
"""


def test_two_processes_cannot_train_in_one_folder_but_a_dead_one_does_not_matter(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdin is not None
    try:
        assert holder.stdout.readline() == "holding\n"
        with pytest.raises(ConfigError, match=f"process {holder.pid} on .* is training here"):
            RunFolder(tmp_path, config())
    finally:
        holder.kill()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()
    with RunFolder(tmp_path, config()):
        pass


def test_a_refused_start_does_not_keep_the_lock(tmp_path: Path) -> None:
    with RunFolder(tmp_path, config(seed=1)) as run:
        (run.checkpoints / "last-00000001.ckpt").touch()
    with pytest.raises(ConfigError):
        RunFolder(tmp_path, config(seed=2))
    with RunFolder(tmp_path, config(seed=1)):
        pass


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"SLURM_PROCID": "3"}, False),
        ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, False),  # launched by Lightning inside of a task
    ],
)
def test_only_one_process_writes(variables: dict[str, str], first: bool) -> None:
    assert is_first_process(variables) == first


def test_other_ranks_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with RunFolder(tmp_path / "run", config()) as run:
        assert run.metrics.name == "metrics.csv"
    assert list(tmp_path.iterdir()) == []


def test_an_atomic_write_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    atomic_write(file, "old")

    def half_then_full(stream: object) -> None:
        stream.write(b"ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"file: cannot write about 123,456 bytes: No space left on device"):
        write_then_replace(file, half_then_full, size=123456)
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_link_is_replaced_without_a_gap(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        replace_link(tmp_path / "link", tmp_path / name)
        assert (tmp_path / "link").read_text() == name
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link", "one", "two"]


def test_the_commit_is_named_with_its_dirt(tmp_path: Path) -> None:
    assert git_commit(tmp_path / "nowhere") is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "file").write_text("1")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    commit = git_commit(tmp_path)
    assert commit is not None and len(commit["hash"]) == 40 and commit["dirty"] is False
    (tmp_path / "file").write_text("2")
    changed = git_commit(tmp_path)
    assert changed is not None and changed["dirty"] is True
    subprocess.run([*git, "config", "core.quotePath", "false"], check=True)
    (tmp_path / os.fsdecode(b"\xff")).touch()
    subprocess.run([*git, "add", "--all"], check=True)
    assert git_commit(tmp_path) == changed  # a name that is not UTF-8 ended the run at its start


def test_a_device_is_written_into_and_a_link_followed(tmp_path: Path) -> None:
    """As root, an output of /dev/null replaced the device of the whole machine by a file."""
    pipe, target, link = tmp_path / "pipe", tmp_path / "target", tmp_path / "link"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    atomic_write(pipe, "through")
    assert os.read(reader, 99) == b"through"
    os.close(reader)
    assert pipe.is_fifo()
    target.write_text("old")
    link.symlink_to(target)
    atomic_write(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
