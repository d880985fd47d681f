"""What a run ran on: versions, hardware, threads and commit, as plain data for `environment.json`."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

PACKAGES = (
    *("torch", "pytorch-lightning", "sentencepiece", "sacrebleu", "datasets", "numpy", "pydantic"),
    *("wandb", "tensorboard", "matplotlib", "jaxtyping"),
)


def environment() -> dict[str, Any]:
    """A description of this process's machine and software."""
    import torch

    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "os": platform.platform(),
        "host": platform.node(),
        "cpu": cpu_model(),
        "cpu_count": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": _gpus(),
        "cuda": torch.version.cuda,
        "commit": git_commit(Path(__file__).parent),
        "command": sys.argv,
        "folder": os.getcwd(),
    }


def _gpus() -> list[str]:
    """Names; what cannot be asked (busy with another's work, a driver that fails) must not end a run on the CPU."""
    import torch

    count = torch.cuda.device_count()
    try:
        return [torch.cuda.get_device_name(index) for index in range(count)]
    except RuntimeError as error:
        return [f"unknown ({str(error).splitlines()[0]})"] * count


def git_commit(folder: Path) -> dict[str, Any] | None:
    """{"hash", "dirty"} of the checkout that holds `folder`; None outside of one, or without git."""
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return None
    return {"hash": head, "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def cpu_model() -> str:
    """The processor's name, as the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
