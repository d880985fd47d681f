"""Before the first step the processes of a run wait for each other, and not for one that failed while it prepared.

torch lets them meet in a call that nothing interrupts, during which Lightning's observer answers a launched process
that failed by killing the one that waits. Here each says in the same store that it is ready, and looks meanwhile at
what others wrote (`peers.py`) and at the processes it has launched.
"""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

from lightning_fabric.plugins import ClusterEnvironment
from lightning_fabric.strategies.launchers.subprocess_script import _launch_process_observer
from pytorch_lightning.strategies import DDPStrategy
from torch.distributed import DistNetworkError, TCPStore  # type: ignore[attr-defined]  # public, and not in its __all__
from torch.distributed.distributed_c10d import PrefixStore, Store

from nmt.errors import ConfigError
from nmt.training.ending.peers import SILENCE, PeerFailed

PAUSE = 0.05  # seconds between two looks at the others


class MeetingStrategy(DDPStrategy):
    """Gradients averaged over ranks that have met by `meet`."""

    def __init__(self, failure: Callable[[], str | None]) -> None:
        """`failure` is what another rank wrote of its own, None as long as there is nothing."""
        super().__init__(timeout=SILENCE)
        self._failure = failure

    def setup_distributed(self) -> None:
        assert self.cluster_environment is not None
        ranks = self.num_nodes * self.num_processes
        with _unobserved(getattr(self.launcher, "procs", [])) as launched:
            # kept until torch has connected to it as well
            store = meet(self.cluster_environment, self.global_rank, ranks, self._failure, launched)
        super().setup_distributed()
        del store


def meet(
    environment: ClusterEnvironment,
    rank: int,
    ranks: int,
    failure: Callable[[], str | None],
    launched: list["subprocess.Popen[bytes]"],
) -> Store:
    """Return when all ranks are here. PeerFailed where one of them will not come, as far as it can be known."""
    name, deadline = f"rank {rank} of {ranks}", time.monotonic() + SILENCE.total_seconds()
    store: Store | None = None
    missing = list(range(ranks))
    while missing:
        ended = [number for number, process in enumerate(launched, start=1) if process.poll() is not None]
        if said := failure():
            raise PeerFailed(said if launched else f"{name}: stopped before the first step, because {said}")
        if ended:
            number, code = rank + ended[0], launched[ended[0] - 1].returncode
            raise PeerFailed(
                f"rank {number} of {ranks} ended without a word (exit code {code}) before the first step: killed, or"
                " crashed (the kernel kills where memory ends: see dmesg)"
            )
        if time.monotonic() > deadline:
            raise PeerFailed(
                f"{name}: waited {SILENCE} for rank {', '.join(map(str, missing))}: it failed, still prepares, or"
                f" cannot reach {environment.main_address}:{environment.main_port}; its own output may say why"
            )
        if store is None:
            store = _store(environment, host=rank == 0)
        if store is not None:
            store.set(f"ready/{rank}", "")
            missing = [other for other in missing if not store.check([f"ready/{other}"])]
        time.sleep(PAUSE if missing else 0.0)
    assert store is not None
    return store


def _store(environment: ClusterEnvironment, *, host: bool) -> Store | None:
    """The store in which torch lets ranks meet too; None as long as nobody answers there."""
    address, port = environment.main_address, environment.main_port
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == str(True):
        host = False  # torchrun itself is the host
    if not host:
        try:
            socket.create_connection((address, port), timeout=1.0).close()  # torch's client complains in 30 lines
        except OSError:
            return None
    try:
        store = TCPStore(address, port, is_master=host, wait_for_workers=False, multi_tenant=True)
    except DistNetworkError as error:
        if "EADDRINUSE" not in str(error):
            raise
        raise ConfigError(
            f"port {port}, at which the processes of this run are to meet, is another program's; name a free one in"
            " the variable MASTER_PORT"
        ) from error
    return PrefixStore(f"nmt/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)


@contextlib.contextmanager
def _unobserved(launched: list["subprocess.Popen[bytes]"]) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The processes that Lightning has launched, out of its observer's sight; if anything fails, ended."""
    watched = launched.copy()
    launched.clear()
    try:
        yield watched
    except BaseException:
        for process in watched:
            process.kill()
            process.wait()
        raise
    if watched:
        launched.extend(watched)
        _launch_process_observer(launched)  # the one before may have found nobody, and left
