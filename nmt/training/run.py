"""The folder of a run: everything needed to understand, continue or throw away one training.

    RUN/config.yaml        the whole configuration, every default written out
    RUN/command.txt        each command that trained here, with its time
    RUN/resume.sh          the command that goes on from here
    RUN/environment.json   versions, hardware, commit: one entry for each start
    RUN/levers.json        number format, kernels and threads that were chosen, and why: see machine/levers.py
    RUN/metrics.csv        what was measured, a row per log step or validation
    RUN/curves.png         the same as a picture
    RUN/train.log          what was said
    RUN/samples/           translations, or readings of lines, at each validation
    RUN/failed-rankN.txt   why one of several processes failed, until the next start: see nmt/training/ending/peers.py
    RUN/checkpoints/       see keeping/checkpoint_io.py

A folder belongs to one configuration and, at any time, to one process.
"""

import contextlib
import errno
import json
import logging
import os
import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from nmt.config.document import write_value
from nmt.config.load import dump_yaml, load_config
from nmt.config.schema import RunConfig
from nmt.errors import ConfigError, NMTError, StorageError
from nmt.files import atomic_write
from nmt.training.log_file import log_to
from nmt.training.machine.environment import environment

# What may change between two starts in one folder: how long, how often, where and how watched; not what is learnt.
# Options, or whole sections; each kind of run has some more. A longer run stretches a linear, cosine or step schedule
# to its new end.
MAY_CHANGE = frozenset(
    {
        *("name", "logger", "data.workers"),
        *("train.max_steps", "train.max_epochs", "train.max_minutes", "train.patience", "train.average_checkpoints"),
        *("train.validate_every_steps", "train.checkpoint_every_steps", "train.log_every_steps"),
        *("train.keep_last", "train.keep_best", "train.skip_nonfinite"),
        *("train.accelerator", "train.devices", "train.num_nodes", "train.strategy", "train.threads"),
    }
)


class RunFolder:
    """Paths of a run's folder; on the first process, its contents and its lock too.

    Use it as a context manager, or call `close`. The lock dies with the process that holds it, however it ends.
    """

    def __init__(
        self,
        path: str | Path,
        config: RunConfig,
        *,
        may_change: Collection[str] = (),
        command: Sequence[str] | None = None,
    ) -> None:
        """Create the folder, or go on in it.

        `may_change` has the options in which `config` may differ from the folder's, beside `MAY_CHANGE`; `command` is
        what the user typed (default: this process's arguments). ConfigError where the folder is something else, belongs
        to another configuration, or another process trains in it.
        """
        self.path = Path(path).resolve()
        self.config = config
        self.command = list(sys.argv if command is None else command)
        self._lock: IO[str] | None = None
        self._log_handler: logging.Handler | None = None
        if not is_first_process():
            return
        _check_is_a_run(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self.path / ".lock")
        try:
            self._check_same_configuration(may_change)
            self._write()
        except BaseException:
            self.close()
            raise

    checkpoints = property(lambda self: self.path / "checkpoints", doc="folder of the checkpoints")
    samples = property(lambda self: self.path / "samples", doc="folder of what the model made of samples")
    metrics = property(lambda self: self.path / "metrics.csv", doc="file of the measurements")
    curves = property(lambda self: self.path / "curves.png", doc="picture of the measurements")
    log = property(lambda self: self.path / "train.log", doc="file of what was said")

    @property
    def resume_command(self) -> str:
        """What to type, anywhere, to go on from here."""
        return shlex.join(["sh", str(self.path / "resume.sh")])

    def close(self) -> None:
        """Give the folder free."""
        if self._log_handler is not None:
            logging.getLogger("nmt").removeHandler(self._log_handler)
            self._log_handler.close()
            self._log_handler = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, NMTError) and self._log_handler is not None:  # the command line says it on its own
            self._log_handler.handle(logging.makeLogRecord({"levelname": "ERROR", "msg": str(error)}))
        self.close()

    def _check_same_configuration(self, may_change: Collection[str]) -> None:
        file = self.path / "config.yaml"
        if not file.exists():
            return
        differences = differing_keys(_read_config(file), self.config, may_change=may_change)
        lines = [f"  {key}: {_written(old)} there, {_written(new)} now" for key, (old, new) in differences.items()]
        # where nothing was learnt yet, a start that failed may be corrected
        if lines and any(self.checkpoints.glob("*.ckpt")):
            raise ConfigError(
                f"{self.path}: holds a run with another configuration:\n"
                + "\n".join(lines)
                + f"\nsay the same again to go on with it (or --config {file}), or choose another --run-dir"
            )

    def _write(self) -> None:
        self.checkpoints.mkdir(exist_ok=True)
        self.samples.mkdir(exist_ok=True)
        config = dump_yaml(self.config)
        atomic_write(self.path / "config.yaml", config)
        atomic_write(self.path / "command.txt", self._earlier("command.txt") + self._command_line())
        atomic_write(self.path / "resume.sh", self._resume_script())
        (self.path / "resume.sh").chmod(0o755)
        starts: list[Any] = []
        with contextlib.suppress(ValueError):
            starts = json.loads(self._earlier("environment.json") or "[]")
        atomic_write(self.path / "environment.json", json.dumps([*starts, environment()], indent=2) + "\n")
        self._log_handler = log_to(self.log)

    def _resume_script(self) -> str:
        again = [*_program(self.command), "--config", str(self.path / "config.yaml"), "--run-dir", str(self.path)]
        lines = ["#!/bin/sh", f"cd {shlex.quote(os.getcwd())} &&", f"exec {shlex.join(again)}"]
        if "TORCHELASTIC_RUN_ID" in os.environ:
            lines.insert(1, f"# started by torchrun as {os.environ.get('WORLD_SIZE')} processes; start it so again")
        return "\n".join(lines) + "\n"

    def _earlier(self, name: str) -> str:
        file = self.path / name
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def _command_line(self) -> str:
        return f"{datetime.now().astimezone().isoformat(timespec='seconds')}  {shlex.join(self.command)}\n"


def differing_keys(old: RunConfig, new: RunConfig, *, may_change: Collection[str] = ()) -> dict[str, tuple[Any, Any]]:
    """{dotted key: (old, new)} of the values that differ although they must not within a run.

    `may_change` names options and sections that may, beside `MAY_CHANGE`. Of the members of a list, such as corpora,
    only what is not their default.
    """
    if old.task != new.task:  # and everything with it
        return {"task": (old.task, new.task)}
    before, after = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    free = tuple(f"{name}." for name in (*MAY_CHANGE, *may_change))
    fixed = [key for key in after if not f"{key}.".startswith(free)]
    short, shorter = (
        {**whole, **_flat(one.model_dump(mode="json", exclude_defaults=True))}
        for one, whole in ((old, before), (new, after))
    )
    return {key: (short.get(key), shorter[key]) for key in fixed if before.get(key) != after[key]}


def check_still_there(folder: Path) -> None:
    """StorageError where the folder of a run, or one in it, is gone: what is written there now would be alone."""
    if not folder.is_dir():
        raise StorageError(
            f"{folder}: moved or deleted since this start, which ends here; nothing is written elsewhere, and the"
            " checkpoints are where the folder is now: move it back, and go on with the resume.sh in it"
        )


def is_first_process(variables: Mapping[str, str] | None = None) -> bool:
    """Whether this is the process that writes: rank 0 of torchrun, of SLURM or of Lightning's own launcher, or alone.

    Asked before Lightning knows: its children have LOCAL_RANK, and other nodes NODE_RANK. Children that it launches
    inside of one SLURM task all inherit that task's SLURM_PROCID, which then says nothing.
    """
    given = os.environ if variables is None else variables
    if "RANK" in given:
        return given["RANK"] == "0"
    if "LOCAL_RANK" in given or "NODE_RANK" in given:
        return given.get("LOCAL_RANK", "0") == "0" and given.get("NODE_RANK", "0") == "0"
    return given.get("SLURM_PROCID", "0") == "0"


def _check_is_a_run(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path}: is a file; --run-dir must name a folder, new or of an earlier run")
    if not path.is_dir() or (path / "config.yaml").exists():
        return
    found = sorted(entry.name for entry in path.iterdir() if entry.name != ".lock")
    if found:
        raise ConfigError(
            f"{path}: not empty and not a run's folder (it holds {found[0]}, no config.yaml); choose another --run-dir"
        )


def _read_config(file: Path) -> RunConfig:
    try:
        return load_config(str(file))
    except ConfigError as error:
        raise ConfigError(f"{file}: cannot be read; choose another --run-dir:\n{error}") from error


def _lock(file: Path) -> IO[str]:
    """An exclusive lock on the file, held until it is closed or the process dies; so it is never stale."""
    import fcntl

    handle = open(file, "a+", encoding="utf-8")  # noqa: SIM115 (it stays open as long as the run)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip() or "another process"
        handle.close()
        raise ConfigError(
            f"{file.parent}: {holder} is training here; wait for it or choose another --run-dir"
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
        logging.getLogger(__name__).warning("%s: this file system knows no locks; make sure to be alone", file.parent)
    with contextlib.suppress(OSError):  # on a full disk the lock holds all the same, without saying whose it is
        os.truncate(handle.fileno(), 0)
        os.write(handle.fileno(), f"process {os.getpid()} on {os.uname().nodename}".encode())
    return handle


def _program(command: Sequence[str]) -> list[str]:
    """How to start training: this Python with scripts/train.py, where that was run, or else with the package."""
    program = Path(command[0] if command else "nmt")
    if program.name == "train.py":
        return [sys.executable or "python", str(program)]
    return [sys.executable or "python", "-m", "nmt", "train"]


def _written(value: Any) -> str:
    """As a user writes it in YAML or on the command line; a corpus of which nothing but the path is said, as a path."""
    if isinstance(value, list):
        value = [item["path"] if isinstance(item, dict) and item.keys() == {"path"} else item for item in value]
        value = value[0] if len(value) == 1 and isinstance(value[0], str) else value
    return write_value(value)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"train": {"max_steps": 3}} → {"train.max_steps": 3}; lists are leaves."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat
