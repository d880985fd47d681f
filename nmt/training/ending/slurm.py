"""SLURM: one task a process, started by srun; a job whose time runs out saves, is queued again, and goes on.

Lightning would save within the handler of the signal, in the middle of a step, so that is switched off: `GracefulStop`
saves between two steps, and then asks for the job to be queued again.
"""

import logging
import os
import signal
import subprocess
from collections.abc import Mapping

from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

log = logging.getLogger(__name__)

REQUEUE_SIGNAL = signal.SIGUSR1  # sbatch --signal=SIGUSR1@90: 90 seconds before the time limit


def cluster() -> SLURMEnvironment | None:
    """SLURM as Lightning is to see it; None where something else starts the processes."""
    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return None
    return SLURMEnvironment(auto_requeue=False)


def job_id(variables: Mapping[str, str] | None = None) -> str | None:
    """The job, which keeps its number when it is queued again; None outside of a batch job."""
    given = os.environ if variables is None else variables
    if "SLURM_JOB_ID" not in given or given.get("SLURM_JOB_NAME") in ("bash", "interactive"):
        return None
    if "SLURM_ARRAY_JOB_ID" in given and "SLURM_ARRAY_TASK_ID" in given:
        return f"{given['SLURM_ARRAY_JOB_ID']}_{given['SLURM_ARRAY_TASK_ID']}"
    return given["SLURM_JOB_ID"]


def requeue() -> None:
    """Ask SLURM to run this job again; a warning with the reason where it will not."""
    job = job_id()
    if job is None:
        return
    try:
        asked = subprocess.run(
            ["scontrol", "requeue", job], capture_output=True, text=True, errors="replace", timeout=60
        )
        reason = None if asked.returncode == 0 else asked.stderr.strip() or f"exit code {asked.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    if reason is None:
        log.info("job %s is queued again and will go on from the checkpoint", job)
    else:
        log.warning("job %s could not be queued again (scontrol requeue: %s); submit it anew", job, reason)
