"""One of several processes fails: the others say which one and why, and stop as well, instead of waiting for it.

A process that fails writes why to RUN/failed-rank1.txt and leaves. To the others that is a connection that breaks (gloo
notices at once) or stays silent (NCCL; for `SILENCE` at most), within some exchange. They look for what was written; a
process that was killed wrote nothing, but is not there any more. torchrun, srun and Lightning's own launcher each kill
what is left of a run in their own time; none of them says in which process it began.
"""

import contextlib
import logging
import os
import platform
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as lightning
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.callbacks import Callback
from torch import distributed

from nmt.errors import NMTError, StorageError, TrainingError
from nmt.files import atomic_write
from nmt.training.ending.stopping import Interrupted, StoppedAtOnce

log = logging.getLogger(__name__)

SILENCE = timedelta(minutes=10)  # one process may let the others wait so long: to validate, to prepare, to save
PATIENCE = 5.0  # seconds for a reason to appear on a shared file system
GRACE = 30.0  # seconds for a process to end by itself when another one has; torchrun gives as many

# what gloo says; the classes of errors are those of NCCL and of the store in which processes meet
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Timed out waiting", "gloo/transport")


class PeerFailed(TrainingError):
    """Another process of the run failed before the first step; here nothing did."""


class Process(NamedTuple):
    """Where a rank runs, and the run's folder as it knows it."""

    host: str
    number: int
    folder: str

    def __str__(self) -> str:
        return f"process {self.number} on {self.host}"


class Peers(Callback):
    """The processes of a run; list it first, so that it hears of an exception before anything slow is done."""

    def __init__(self, folder: Path) -> None:
        """`folder` is one that all of them see; without --run-dir, torchrun's processes name one each."""
        self._folder = folder
        self._everyone: list[Process] = []
        self._launched: list[subprocess.Popen[bytes]] = []
        self._cause = ""
        self._failed_here = False
        self._earlier: dict[Path, int] = {}  # what was written in an earlier start, and when

    def setup(self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", stage: str) -> None:
        mine = Process(platform.node(), os.getpid(), str(self._folder))
        gathered: list[Any] = [mine]
        if trainer.world_size > 1:
            gathered = [None] * trainer.world_size
            distributed.all_gather_object(gathered, mine)
        self._everyone = gathered
        self._folder = Path(gathered[0].folder)

    def on_exception(
        self, trainer: "lightning.Trainer", pl_module: "lightning.LightningModule", exception: BaseException
    ) -> None:
        """Say who failed before a launcher kills this process as well: torchrun and Lightning soon do."""
        launched = getattr(trainer.strategy.launcher, "procs", [])
        self._launched = list(launched)
        launched.clear()  # Lightning's observer has nobody left to watch
        if trainer.world_size > 1 and is_lost_peer(exception):
            self._cause = self._found(exception, trainer)
            log.error("%s", self._cause)

    @contextlib.contextmanager
    def prepare_together(self, trainer: "lightning.Trainer") -> Iterator[None]:
        """Around all that comes before the training: a failure here is written down for those who wait for this one.

        It is said once: by the process that launched this one, if any, or by the first of those that all fail of it.
        """
        self._earlier = {file: file.stat().st_mtime_ns for file in self._folder.glob("failed-rank*.txt")}
        if trainer.is_global_zero:
            for file in self._earlier:
                file.unlink(missing_ok=True)
        try:
            yield
        except Exception as error:
            if trainer.world_size == 1 or not self._has_folder():
                raise
            said = str(error) if isinstance(error, NMTError) else f"{type(error).__name__}: {error}"
            self._write_down(f"rank {trainer.global_rank} failed: {said}", trainer)
            if not isinstance(error, NMTError):  # a defect keeps its traceback
                raise
            if _is_launched(trainer) or (trainer.global_rank > 0 and self._first_says(said)):
                raise SystemExit(error.exit_code) from None
            if trainer.global_rank > 0:
                error.args = (f"rank {trainer.global_rank} of {trainer.world_size}: {error}",)
            raise

    def failure(self) -> str | None:
        """What another process wrote of its own failure in this start; None where none did."""
        for file in sorted(self._folder.glob("failed-rank*.txt")):
            with contextlib.suppress(OSError):
                if self._earlier.get(file) != file.stat().st_mtime_ns:
                    return file.read_text(encoding="utf-8").strip()
        return None

    def _has_folder(self) -> bool:
        """Whether the first rank soon makes the run's folder, if it is not there yet."""
        deadline = time.monotonic() + PATIENCE
        while not (there := self._folder.is_dir()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return there

    def _first_says(self, said: str) -> bool:
        """Whether the first rank soon fails of the same, as all do where a corpus is at fault."""
        deadline = time.monotonic() + PATIENCE
        first = failure_file(self._folder, 0)
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self._earlier.get(first) != first.stat().st_mtime_ns:
                    return first.read_text(encoding="utf-8").strip().endswith(f": {said}")
            time.sleep(0.1)
        return False

    @contextlib.contextmanager
    def fail_together(self, trainer: "lightning.Trainer", *, resume_command: str) -> Iterator[None]:
        """Around the training: a failure here is written down, one elsewhere becomes a TrainingError that names it."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, PeerFailed) and _is_launched(trainer):
                raise SystemExit(error.exit_code) from None  # who launched this one says it
            if trainer.world_size == 1 or isinstance(error, PeerFailed):
                raise
            name = f"rank {trainer.global_rank} of {trainer.world_size}"
            if is_lost_peer(error):
                cause = self._cause or self._found(error, trainer)
                raise TrainingError(
                    f"{name}: stopped after step {trainer.global_step}, because {cause}; the checkpoints are intact;"
                    f" when that is mended, go on with: {resume_command}"
                ) from error
            if isinstance(error, StoppedAtOnce):
                self._failed_here = True
                where = self._where(trainer.global_rank)
                self._write_down(f"rank {trainer.global_rank} was stopped at once by a second Ctrl-C{where}", trainer)
            elif isinstance(error, Exception) and not isinstance(error, Interrupted):  # on one, all leave together
                self._failed_here = True
                said = str(error) if isinstance(error, NMTError) else f"{type(error).__name__}: {error}"
                self._write_down(
                    f"rank {trainer.global_rank} failed{self._where(trainer.global_rank)}: {said}", trainer
                )
                if isinstance(error, NMTError):
                    error.args = (f"{name}: {error}",)
            if isinstance(error, Interrupted) and _is_launched(trainer):  # all stop, and the first one says it
                raise SystemExit(error.exit_code) from None
            raise
        finally:
            self._end_launched()

    def _write_down(self, cause: str, trainer: "lightning.Trainer") -> None:
        if not self._folder.is_dir():  # moved away, and not to be made anew
            return
        with contextlib.suppress(StorageError):  # no space left, perhaps: that was it then
            atomic_write(failure_file(self._folder, trainer.global_rank), cause + "\n")

    def _found(self, error: BaseException, trainer: "lightning.Trainer") -> str:
        """Who failed first, and why: what somebody wrote, else who is gone, else what the connection says."""
        ranks = [rank for rank in range(trainer.world_size) if rank != trainer.global_rank]
        deadline = time.monotonic() + PATIENCE
        gone: list[int] = []
        while not gone and time.monotonic() <= deadline:
            for rank in ranks:
                with contextlib.suppress(OSError):
                    return failure_file(self._folder, rank).read_text(encoding="utf-8").strip()
            gone = [rank for rank in ranks if self._is_gone(rank)]
            time.sleep(0.0 if gone else 0.1)
        if not gone:
            told = str(error).strip().splitlines()[0]
            return f"another process is gone or does not answer, and its own output may say why ({told})"
        cause = f"rank {gone[0]} ended without a word{self._where(gone[0])}: killed, or crashed"
        cause += " (the kernel kills where memory ends: see dmesg)"
        self._write_down(cause, trainer)  # for those who notice only that this one is gone
        return cause

    def _where(self, rank: int) -> str:
        return f" ({self._everyone[rank]})" if self._everyone else ""

    def _is_gone(self, rank: int) -> bool:
        """Whether a process of this machine has ended; of others nothing is known."""
        if not self._everyone or self._everyone[rank].host != platform.node():
            return False
        number = self._everyone[rank].number
        for launched in self._launched:
            if launched.pid == number:
                return launched.poll() is not None
        try:
            os.kill(number, 0)
        except OSError as error:
            return isinstance(error, ProcessLookupError)
        return False

    def _end_launched(self) -> None:
        """No process that this one has launched outlives it; what failed here is said, and they wait for its like."""
        if not self._launched:
            return
        if not self._failed_here and distributed.is_initialized() and distributed.get_backend() == "gloo":
            distributed.destroy_process_group()  # so that one that waits for this one alone notices
        deadline = time.monotonic() + (0.0 if self._failed_here else GRACE)
        for process in self._launched:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)  # one that hangs in an exchange hears nothing else
                process.wait()


def peers_among(callbacks: Iterable[Callback]) -> Peers:
    """The one among the callbacks of a run."""
    return next(one for one in callbacks if isinstance(one, Peers))


def is_launched(environment: object) -> bool:
    """Whether this process is a child of the first one on its machine, which writes to the same terminal."""
    return isinstance(environment, LightningEnvironment) and environment.local_rank() > 0


def _is_launched(trainer: "lightning.Trainer") -> bool:
    return is_launched(getattr(trainer.strategy, "cluster_environment", None))


def failure_file(folder: Path, rank: int) -> Path:
    """Where a rank writes why it failed."""
    return folder / f"failed-rank{rank}.txt"


def is_lost_peer(error: BaseException) -> bool:
    """Whether an exchange broke because another process is gone, or does not answer."""
    if isinstance(error, distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in LOST)
