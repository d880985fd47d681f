"""W&B without surprises: offline by itself where there is no key or no network, never a prompt, never a long wait.

Asked for an online run without a key, `wandb.init` prompts on a terminal; with a key and no network it hangs for
100 seconds. So both are looked at first, and whatever goes wrong online is done offline instead.
"""

import io
import logging
import netrc
import os
import socket
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytorch_lightning.loggers import Logger, WandbLogger

from nmt.files import atomic_write

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger(__name__)

PROBE_SECONDS = 2.0
INIT_SECONDS = 30.0
STEP = "trainer/global_step"  # the x axis, the name Lightning's logger gives it


def start_wandb(folder: Path, *, name: str, config: Mapping[str, Any]) -> WandbLogger:
    """Begin a W&B run in `folder`/wandb, or go on with the one whose id is in `folder`/wandb_id.

    $WANDB_MODE, $WANDB_PROJECT and $WANDB_ENTITY are honoured. Tells in one line how to look at the run.
    """
    import wandb

    os.environ.setdefault("WANDB_DATA_DIR", str(folder / "wandb"))  # the artifact's copy, else in the home folder
    mode = wandb_mode(os.environ)
    run = None
    if mode == "online":
        try:
            run = _init(folder, name=name, config=config, mode=mode)
        except Exception as error:  # whatever it is, it must not cost a training
            log.warning("W&B cannot go online (%s); logging offline", str(error).split("\n")[0])
            wandb.teardown()
            mode = "offline"
    if run is None:
        run = _init(folder, name=name, config=config, mode=mode)
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    log.info("%s", how_to_view(folder, mode=mode, url=run.url))
    return WandbLogger(experiment=run, save_dir=str(folder), project=run.project, name=name)


def wandb_mode(variables: Mapping[str, str]) -> str:
    """ "online", "offline" or "disabled": what $WANDB_MODE wants, as far as key and network allow it."""
    wanted = variables.get("WANDB_MODE", "").lower()
    if wanted in ("disabled", "offline", "dryrun"):
        return "offline" if wanted == "dryrun" else wanted
    if variables.get("WANDB_DISABLED", "").lower() in ("1", "true", "yes"):
        return "disabled"
    url = _server()
    if not has_key(variables, host=urlsplit(url).hostname or ""):
        log.info("W&B: no key (wandb login, or WANDB_API_KEY); logging offline")
        return "offline"
    if not is_reachable(_first_stop(url, variables)):
        log.info("W&B: %s does not answer within %g s; logging offline", url, PROBE_SECONDS)
        return "offline"
    return "online"


def has_key(variables: Mapping[str, str], *, host: str) -> bool:
    """Whether $WANDB_API_KEY or the user's netrc file holds a key for the server."""
    if variables.get("WANDB_API_KEY"):
        return True
    named = variables.get("NETRC")
    for file in [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]:
        try:
            if netrc.netrc(file).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def is_reachable(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether a connection to the server of `url` opens in time; looking its name up counts as well."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    opened = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((parts.hostname or "", port), timeout=seconds).close()
            opened.set()
        except OSError:
            pass

    # a name server that does not answer cannot be timed out, only left behind
    probe = threading.Thread(target=connect, daemon=True)
    probe.start()
    probe.join(seconds)
    return opened.is_set()


def how_to_view(folder: Path, *, mode: str, url: str | None) -> str:
    """The line that tells a user where the curves are."""
    if mode == "disabled":
        return "W&B is disabled by the environment"
    if mode == "online":
        return f"W&B: {url}"
    runs = folder / "wandb"
    return f"W&B offline; look at it: wandb leet {runs}; upload it: wandb sync {runs}/offline-run-*"


def wandb_run(loggers: Iterable[Logger]) -> Any | None:
    """The W&B run among the loggers, None where there is none (or on a rank other than 0)."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            return logger.experiment
    return None


def log_samples(
    run: Any, rows: Sequence[Mapping[str, Any]], *, images: Sequence[tuple[str, bytes, str]], step: int
) -> None:
    """Log samples as a table, a row each, and (name, PNG, caption) as panels of images, one a name."""
    import wandb
    from PIL import Image

    logged: dict[str, Any] = {STEP: step}
    logged["samples"] = wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows])
    for panel in dict.fromkeys(name for name, _, _ in images):
        pictures = [Image.open(io.BytesIO(png)).convert("RGB") for name, png, _ in images if name == panel]
        size = max(picture.width for picture in pictures), max(picture.height for picture in pictures)
        captions = [caption for name, _, caption in images if name == panel]
        logged[panel] = [
            wandb.Image(_padded(picture, size), caption=caption)
            for picture, caption in zip(pictures, captions, strict=True)
        ]
    run.log(logged)


def _padded(picture: "Image.Image", size: tuple[int, int]) -> "Image.Image":
    """On white paper of one size for all of a panel, which W&B shows as one sprite and else warns of."""
    from PIL import Image

    paper = Image.new("RGB", size, "white")
    paper.paste(picture)
    return paper


def finish_wandb(run: Any, *, best: Path | None, metadata: Mapping[str, Any]) -> None:
    """Store the best checkpoint as an artifact and end the run; both work offline."""
    import wandb

    try:
        if best is not None and best.exists():
            artifact = wandb.Artifact(f"{run.project}-{run.id}", type="model", metadata=dict(metadata))
            artifact.add_file(str(best.resolve()), name="model.ckpt")
            run.log_artifact(artifact, aliases=["best"])
        run.finish()
    except Exception as error:  # the training is done, and its folder holds everything
        log.warning("W&B: the run could not be completed: %s", str(error).split("\n")[0])


def _init(folder: Path, *, name: str, config: Mapping[str, Any], mode: str) -> Any:
    import wandb

    return wandb.init(
        dir=str(folder),
        project=os.environ.get("WANDB_PROJECT", "nmt"),
        name=name,
        id=_run_id(folder / "wandb_id"),
        resume="allow" if mode == "online" else None,  # offline there is nobody to ask; `wandb sync` joins the parts
        config=dict(config),
        mode=mode,  # type: ignore[arg-type]  # one of its words, as a plain string
        settings=wandb.Settings(init_timeout=INIT_SECONDS, silent=True, console="off"),
    )


def _run_id(file: Path) -> str:
    """The same at every start of a run."""
    if not file.exists():
        atomic_write(file, uuid.uuid4().hex[:8] + "\n")
    return file.read_text(encoding="utf-8").strip()


def _server() -> str:
    import wandb

    return str(wandb.Settings().base_url)


def _first_stop(url: str, variables: Mapping[str, str]) -> str:
    """The proxy, where one stands between us and the server."""
    scheme = urlsplit(url).scheme
    return variables.get(f"{scheme}_proxy") or variables.get(f"{scheme.upper()}_PROXY") or url
