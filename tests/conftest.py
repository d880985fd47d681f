"""How every test runs: one thread, no network, no account, shapes checked, caches in a temporary folder."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before anything imports torch, datasets or wandb: they read these once.
os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    TOKENIZERS_PARALLELISM="false",
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    WANDB_MODE="offline",
    WANDB_SILENT="true",
    MPLBACKEND="Agg",
    CUDA_VISIBLE_DEVICES=os.environ.get("CUDA_VISIBLE_DEVICES", ""),  # on a GPU machine: CUDA_VISIBLE_DEVICES=0 pytest
)
os.environ.pop("WANDB_API_KEY", None)

from jaxtyping import install_import_hook

# A hook and not pytest's --jaxtyping-packages, which never reaches the workers of xdist. It must come before the first
# import of nmt, and it checks the annotated arguments and results of the packages that hold tensors, in every test.
if any(name == "nmt" or name.startswith("nmt.") for name in sys.modules):
    raise RuntimeError("nmt was imported before tests/conftest.py; its shapes would go unchecked")
# But for the embedded grammar, which holds none: checked, 20,000 sentences took 53 seconds to draw instead of 2.
SHAPED = ("nmt.checkpoint", "nmt.inference", "nmt.models", "nmt.search", "nmt.training")
DATA = Path(__file__).parent.parent / "nmt" / "data"
OF_DATA = [f"nmt.data.{path.stem}" for path in sorted(DATA.iterdir()) if path.stem not in ("demo", "__pycache__")]
install_import_hook([*SHAPED, *OF_DATA], "shapes.checked")

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

# The same examples everywhere and every time; look further by hand with HYPOTHESIS_PROFILE=explore.
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", settings.get_profile("house"), derandomize=False, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))

# What a script starts in the background, `make test &` say, ignores Ctrl-C, and so would all that tests start and stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", ""}


@pytest.fixture(scope="session", autouse=True)
def _cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prepared corpora go to a temporary folder, shared by the tests of one worker; a subprocess inherits it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NMT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is not found and a host not reached, as on a machine without a network; this machine may be spoken to."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def connect_locally(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
            raise OSError(f"no network in tests: {address}")
        connect(self, address)

    def resolve_locally(host: Any, *rest: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name not in LOCAL | {socket.gethostname()}:
            raise socket.gaierror(socket.EAI_NONAME, f"no network in tests: {name}")
        return resolve(host, *rest, **named)

    monkeypatch.setattr(socket.socket, "connect", connect_locally)
    monkeypatch.setattr(socket, "getaddrinfo", resolve_locally)


@pytest.fixture(autouse=True)
def _same_randomness() -> None:
    """A test that forgets to seed does so the same way every time."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout these tests stand in."""
    return Path(__file__).resolve().parent.parent
