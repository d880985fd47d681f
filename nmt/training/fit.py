"""One call trains a run from its configuration to scores on the test set: prepare, build, fit, average, evaluate."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback

from nmt.config.schema import RunConfig, check_validation
from nmt.config.training import TrainConfig
from nmt.data.place import Place
from nmt.errors import ConfigError
from nmt.terminal import is_watched
from nmt.training.callbacks import build_callbacks
from nmt.training.ending.faults import memory_explained, preparation_explained
from nmt.training.ending.meeting import MeetingStrategy
from nmt.training.ending.peers import peers_among
from nmt.training.ending.slurm import cluster, job_id
from nmt.training.ending.stopping import interrupts_told
from nmt.training.finish import average_best
from nmt.training.keeping.checkpoint_io import AtomicCheckpointIO, newest_usable_checkpoint
from nmt.training.kinds import kind_of
from nmt.training.machine.levers import Levers, apply, choose_levers, limit_kernels
from nmt.training.parts import Kind, Parts, seldom_validated
from nmt.training.run import RunFolder, is_first_process
from nmt.training.watching.loggers import build_loggers, close_loggers, quiet_lightning
from nmt.training.watching.measurement import columns
from nmt.training.watching.progress import speak

log = logging.getLogger(__name__)

RUN_DIR_VARIABLE = "NMT_RUN_DIR"  # processes that Lightning launches find the run's folder here


def train(config: RunConfig, *, run_dir: Path | None = None, resume: bool = True) -> Path:
    """Train, or go on training where `run_dir` holds a run of this configuration; returns the run's folder.

    Raises ConfigError, DataError or TrainingError, each with the way out; `Interrupted` after a signal.
    """
    check_validation(config)
    quiet_lightning()
    terminal = is_watched(sys.stderr)
    first = is_first_process()
    kind = kind_of(config)
    with contextlib.ExitStack() as stack:
        if first:
            stack.callback(logging.getLogger("nmt").removeHandler, speak(terminal=terminal))
        run = stack.enter_context(RunFolder(_run_path(config, run_dir), config, may_change=kind.may_change))
        newest = newest_usable_checkpoint(run.checkpoints)
        if newest is not None and not resume:
            raise ConfigError(f"{run.path}: holds a trained run already; choose another --run-dir, or resume it")
        limit_kernels()
        levers = choose_levers(config, run.path, on_gpu=_on_gpu(config.train), writes=first)
        apply(levers)
        lightning.seed_everything(config.seed, workers=True, verbose=False)
        trainer = _trainer(run, kind, levers, terminal=terminal)  # before the long work, for the errors in its options
        place = Place(trainer.global_rank, trainer.world_size, on_gpu=_on_gpu(config.train))
        peers = peers_among(trainer.callbacks)  # type: ignore[attr-defined]  # untyped in Lightning
        with peers.prepare_together(trainer), preparation_explained():
            parts = kind.assemble(config, place, newest=newest)
        device = trainer.strategy.root_device
        _introduce(run, parts, levers, resuming_from=newest)
        with interrupts_told(trainer), _closed(trainer, run):
            together = peers.fail_together(trainer, resume_command=run.resume_command)
            with together, memory_explained(trainer, parts.too_large):
                trainer.fit(
                    parts.task,
                    train_dataloaders=parts.loader,
                    val_dataloaders=parts.validation(place),
                    ckpt_path=newest,
                    weights_only=True,
                )
            if first:
                _finish(run, parts, device)
    return run.path


def _on_gpu(train: TrainConfig) -> bool:
    if train.accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError(
            f"train.accelerator 'gpu' asked for, but torch {torch.__version__} finds no GPU here; use cpu"
        )
    return train.accelerator != "cpu" and torch.cuda.is_available()


def _trainer(run: RunFolder, kind: Kind, levers: Levers, *, terminal: bool) -> lightning.Trainer:
    train = run.config.train
    every = train.validate_every_steps
    job = cluster()
    callbacks = build_callbacks(run, kind, terminal=terminal)
    try:
        trainer = lightning.Trainer(
            accelerator="gpu" if levers.machine["gpu"] else "cpu",
            devices=train.devices,
            num_nodes=train.num_nodes,
            strategy=_strategy(train, callbacks),
            precision=levers.lightning_precision,
            max_steps=train.max_steps or -1,
            max_epochs=train.max_epochs or -1,
            accumulate_grad_batches=train.accumulate,
            val_check_interval=None if every is None else every * train.accumulate,
            check_val_every_n_epoch=1 if every is None else None,
            limit_val_batches=1.0 if run.config.data.validation else 0,
            num_sanity_val_steps=0,
            logger=build_loggers(run.config.logger, run, columns=columns(kind.measurements)),
            log_every_n_steps=train.log_every_steps,
            callbacks=callbacks,
            plugins=[AtomicCheckpointIO(), *([] if job is None else [job])],
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            default_root_dir=run.path,
        )
    except (ValueError, MisconfigurationException) as error:  # an unknown strategy, more devices than there are
        raise ConfigError(f"train.accelerator, devices, num_nodes and strategy do not go here: {error}") from error
    _check_processes(trainer, train, job)
    return trainer


def _strategy(train: TrainConfig, callbacks: Sequence[Callback]) -> Any:
    """As Lightning takes it; ConfigError for what splits weights among processes: norm and clipping here are those of
    whole gradients."""
    if train.strategy.startswith(("fsdp", "deepspeed", "model_parallel", "xla")):
        raise ConfigError(f"train.strategy '{train.strategy}' splits the model among processes; use ddp, or auto")
    if train.strategy in ("auto", "ddp") and train.devices * train.num_nodes > 1:
        return MeetingStrategy(peers_among(callbacks).failure)
    return train.strategy


def _check_processes(trainer: lightning.Trainer, train: TrainConfig, job: Any) -> None:
    """ConfigError where the launcher started others than the configuration asks for, or numbers them otherwise."""
    processes = train.devices * train.num_nodes
    if trainer.world_size != processes:
        raise ConfigError(
            f"train.devices ({train.devices}) × train.num_nodes ({train.num_nodes}) is {processes} processes, but"
            f" {trainer.world_size} were started; {_launched_by(job, train)}"
        )
    if trainer.is_global_zero != is_first_process():
        raise ConfigError(
            f"RANK={os.environ.get('RANK')}, LOCAL_RANK={os.environ.get('LOCAL_RANK')} and NODE_RANK="
            f"{os.environ.get('NODE_RANK')} say something else than Lightning, for which this is process"
            f" {trainer.global_rank} of {trainer.world_size}; unset them, or let train.devices and train.num_nodes"
            " agree with what torchrun starts"
        )


def _launched_by(job: Any, train: TrainConfig) -> str:
    """What to change, for the launcher there is."""
    if job is None:
        return "make the launcher (torchrun --nnodes, --nproc_per_node) and the configuration agree"
    return (
        f"SLURM_NTASKS is {os.environ['SLURM_NTASKS']}: ask for --nodes={train.num_nodes}"
        f" --ntasks-per-node={train.devices} and start with srun, or, on one node, unset SLURM_NTASKS"
    )


def _introduce(run: RunFolder, parts: Parts, levers: Levers, *, resuming_from: Path | None) -> None:
    """Say what is about to happen: data, model, number format, threads, where it goes."""
    if not is_first_process():
        return
    for line in parts.introduction:
        log.info("%s", line)
    log.info("model: %s parameters", f"{parts.parameters:,}")
    for line in levers.report().splitlines():
        log.info("%s", line)
    if not run.config.data.test:
        log.info("no data.test: nothing will be scored at the end")
    hint = seldom_validated(run.config.train, parts.task.total_steps) if run.config.data.validation else None
    if hint is not None:
        log.info("%s", hint)
    log.info("run: %s%s", run.path, f", resuming from {resuming_from.name}" if resuming_from else "")


def _finish(run: RunFolder, parts: Parts, device: torch.device) -> None:
    """What the trained run is worth, and how it is used: average, test, say so."""
    config = run.config
    if parts.evaluation is not None:
        average_best(run, parts.task, parts.evaluation(), device=device)
    parts.evaluate_tests(run, device)
    log.info(
        "done: the %s checkpoint is in %s; next: %s",
        *("best" if config.data.validation else "last", run.path),
        config.trial(str(run.path)),
    )


@contextlib.contextmanager
def _closed(trainer: lightning.Trainer, run: RunFolder) -> Iterator[None]:
    """Close the loggers however the run ends."""
    try:
        yield
    finally:
        close_loggers(trainer.loggers, run)


def _run_path(config: RunConfig, run_dir: Path | None) -> Path:
    """The folder asked for, or `runs/<name>-<time or job>`, the same one in every process that this one launches."""
    if run_dir is None:
        launched = os.environ.get(RUN_DIR_VARIABLE)
        job = job_id()  # the same when the job is queued again, and in all its tasks
        name = f"{config.name}-{datetime.now():%Y%m%d-%H%M%S}" if job is None else f"{config.name}-job{job}"
        run_dir = Path(launched) if launched and not is_first_process() else Path("runs") / name
    os.environ[RUN_DIR_VARIABLE] = str(run_dir.resolve())
    return run_dir
