"""Before the first step the processes of a run wait for each other, and not for one that failed while it prepared.

torch lets them meet in a call that nothing interrupts, during which Lightning's observer answers a launched process
that failed by killing the one that waits. Here each says in the same store that it is ready, and looks meanwhile at
what others wrote (`peers.py`) and at the processes it has launched.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from lightning_fabric.plugins import ClusterEnvironment
from lightning_fabric.strategies.launchers.subprocess_script import _launch_process_observer
from pytorch_lightning.strategies import DDPStrategy
from torch.distributed import DistNetworkError, TCPStore  # type: ignore[attr-defined]  # public, and not in its __all__
from torch.distributed.distributed_c10d import PrefixStore, Store

from nmt.errors import ConfigError
from nmt.training.ending.peers import SILENCE, PeerFailed, is_launched

PAUSE = 0.05  # seconds between two looks at the others
ANSWER = timedelta(seconds=30)  # for the store to answer; torch would wait for minutes
LAUNCHER = "NMT_LAUNCHER"  # processes that Lightning launches find here the number of the one that did


class MeetingStrategy(DDPStrategy):
    """Gradients averaged over ranks that have met by `meet`."""

    def __init__(self, failure: Callable[[], str | None]) -> None:
        """`failure` is what another rank wrote of its own, None as long as there is nothing.

        ConfigError where MASTER_PORT is no port.
        """
        _check_port()
        if "LOCAL_RANK" not in os.environ:
            os.environ[LAUNCHER] = str(os.getpid())
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
            code = launched[ended[0] - 1].returncode
            raise PeerFailed(f"rank {rank + ended[0]} of {ranks} {_ended_by(code)}")
        if _left_alone(environment):
            raise PeerFailed(f"{name}: the process that launched it has ended")
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


def _ended_by(code: int) -> str:
    """How a process ended before the first step, of which nothing else is known."""
    if code >= 0:
        return f"ended with exit code {code} before the first step; its own output says why"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a real-time signal has none
        name = f"signal {-code}"
    return f"was killed by {name} before the first step (the kernel kills where memory ends: see dmesg)"


def _left_alone(environment: ClusterEnvironment) -> bool:
    """Whether this process was launched by one that is gone; Python has then got another parent."""
    parent = str(os.getppid())
    return is_launched(environment) and os.environ.get(LAUNCHER, parent) != parent


def _check_port() -> None:
    port = os.environ.get("MASTER_PORT")
    if port is not None and not (port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise ConfigError(f"MASTER_PORT is '{port}'; it must be a number from 1 to 65535, or unset")


def _check_address(address: str, port: int) -> None:
    """ConfigError where the first process does not reach itself; torch would try for minutes, and print its frames."""
    try:
        places = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        if any(_is_here(family, place[0]) for family, _, _, _, place in places):
            return
        with (  # an address that only leads here
            socket.create_server(("", port), family=places[0][0]) as server,
            socket.create_connection((address, port), timeout=5.0),
        ):
            server.settimeout(5.0)  # it may have been somebody else who answered
            server.accept()[0].close()
    except OSError as error:
        raise ConfigError(
            f"the first process does not reach itself at {address}:{port} ({error}); name the address of its machine"
            " in the variable MASTER_ADDR, or, where all processes run on one, unset it"
        ) from None


def _is_here(family: int, address: str | int) -> bool:
    """Whether this machine has the address."""
    try:
        with socket.socket(family) as server:
            server.bind((address, 0))
    except OSError:
        return False
    return True


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
        if host:
            _check_address(address, port)
        store = TCPStore(address, port, is_master=host, timeout=ANSWER, wait_for_workers=False, multi_tenant=True)
    except DistNetworkError as error:
        if not host:  # who answered is gone again
            return None
        why = "is another program's" if "EADDRINUSE" in str(error) else f"cannot be used ({_first_line(error)})"
        raise ConfigError(
            f"port {port} at {address}, at which the processes of this run are to meet, {why}; name a free one in the"
            " variable MASTER_PORT, and the first process's machine in MASTER_ADDR"
        ) from error
    return PrefixStore(f"nmt/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)


def _first_line(error: BaseException) -> str:
    """What torch says before its frames."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


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
