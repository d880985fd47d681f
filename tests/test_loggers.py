"""Loggers: one metrics.csv across starts, and a W&B that never asks, never hangs and always leaves a run."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_training import fit, tiny_config

from nmt.config.schema import Config
from nmt.errors import ConfigError, TrainingError
from nmt.training.run import RunFolder
from nmt.training.watching import weights_and_biases
from nmt.training.watching.loggers import build_loggers
from nmt.training.watching.metrics_file import MetricsFile
from nmt.training.watching.weights_and_biases import has_key, how_to_view, is_reachable, log_samples, wandb_mode


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return [{name: cell for name, cell in row.items() if cell} for row in csv.DictReader(stream)]


def test_rows_are_appended_across_starts(tmp_path: Path) -> None:
    MetricsFile(tmp_path / "m.csv").log_metrics({"train/loss": 2.5, "epoch": 0}, step=0)
    MetricsFile(tmp_path / "m.csv").log_metrics({"train/loss": 1 / 3, "epoch": 0}, step=1)
    assert rows(tmp_path / "m.csv") == [
        {"step": "1", "epoch": "0", "train/loss": "2.5"},
        {"step": "2", "epoch": "0", "train/loss": "0.3333333"},
    ]


def test_a_new_metric_widens_the_file_and_loses_nothing(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "m.csv")
    file.log_metrics({"train/loss": 2.0}, step=0)
    file.log_metrics({"my/metric": 7.0}, step=0)
    again = MetricsFile(tmp_path / "m.csv")
    again.log_metrics({"my/metric": 8.0, "train/loss": 1.0}, step=1)
    assert rows(tmp_path / "m.csv") == [
        {"step": "1", "train/loss": "2"},
        {"step": "1", "my/metric": "7"},
        {"step": "2", "train/loss": "1", "my/metric": "8"},
    ]


@pytest.mark.parametrize("content", [b"loss,other\n1,2\n", b"\x80\x00,\n\xff"], ids=["table", "garbage"])
def test_what_is_no_table_of_measurements_is_named_and_kept(tmp_path: Path, content: bytes) -> None:
    """It was a KeyError at the first step of a run that went on."""
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(TrainingError, match=r"m\.csv: no table of measurements, .* no column 'step'; move it away"):
        MetricsFile(tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_bytes() == content


def test_rows_beyond_the_step_resumed_from_and_half_rows_are_dropped(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "m.csv", ("step", "epoch", "train/loss", "validation/loss"))
    for step in range(6):
        file.log_metrics({"train/loss": float(step)}, step=step)
    with file.path.open("a") as stream:
        stream.write("4,0,3.2")  # a crash in the middle of a row
    file.discard_after(4)
    file.log_metrics({"train/loss": 9.0}, step=4)
    assert [row["step"] for row in rows(file.path)] == ["1", "2", "3", "4", "5"]


def test_other_ranks_write_no_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytorch_lightning.utilities import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    MetricsFile(tmp_path / "m.csv").log_metrics({"train/loss": 1.0}, step=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("kind", "module"), [("tensorboard", "tensorboard"), ("wandb", "wandb")])
def test_a_missing_package_is_named_with_its_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, module: str
) -> None:
    import lightning_fabric.loggers.tensorboard as lightning_tensorboard

    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(lightning_tensorboard, "_TENSORBOARD_AVAILABLE", False)
    monkeypatch.setattr(lightning_tensorboard, "_TENSORBOARDX_AVAILABLE", False)
    with RunFolder(tmp_path, Config(), command=["nmt"]) as run, pytest.raises(ConfigError, match=f"pip install {kind}"):
        build_loggers(kind, run, columns=())


def test_tensorboard_gets_its_events(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    fit(tmp_path, tiny_config(max_steps=2).model_copy(update={"logger": "tensorboard"}))
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))


def test_pictures_of_a_panel_have_one_size() -> None:
    """W&B makes one sprite of a panel, and warned at every validation that lines are not equally wide."""
    wandb = pytest.importorskip("wandb")
    from PIL import Image

    pictures = []
    for name, size in (("alignment", (30, 9)), ("attention", (7, 7)), ("alignment", (50, 4))):
        file = io.BytesIO()
        Image.new("RGB", size, "black").save(file, "PNG")
        pictures.append((name, file.getvalue(), f"{size}"))
    logged: list[dict[str, Any]] = []
    run = SimpleNamespace(log=logged.append)
    log_samples(run, [{"line": "a"}], images=pictures, step=3)
    [row] = logged
    assert [[image.image.size for image in row[name]] for name in ("alignment", "attention")] == [
        [(50, 9)] * 2,
        [(7, 7)],
    ]
    assert [image._caption for image in row["alignment"]] == ["(30, 9)", "(50, 4)"]
    first = row["alignment"][0].image
    assert (first.getpixel((29, 8)), first.getpixel((30, 8))) == ((0, 0, 0), (255, 255, 255))
    assert isinstance(row["samples"], wandb.Table)


def test_a_key_is_found_where_wandb_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert has_key({"WANDB_API_KEY": "k"}, host="api.example")
    assert not has_key({}, host="api.example")
    (tmp_path / "rc").write_text("machine api.example login user password secret\n")
    assert has_key({"NETRC": str(tmp_path / "rc")}, host="api.example")
    assert not has_key({"NETRC": str(tmp_path / "rc")}, host="other.example")
    (tmp_path / "rc").write_text("nonsense here")
    assert not has_key({"NETRC": str(tmp_path / "rc")}, host="api.example")


def test_the_mode_follows_the_wish_the_key_and_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_and_biases, "is_reachable", lambda url: True)
    key = {"WANDB_API_KEY": "k" * 40, "NETRC": "/nowhere"}
    assert wandb_mode(key) == "online"
    assert wandb_mode({"NETRC": "/nowhere"}) == wandb_mode({"WANDB_MODE": "online", "NETRC": "/nowhere"}) == "offline"
    assert wandb_mode({**key, "WANDB_MODE": "offline"}) == wandb_mode({**key, "WANDB_MODE": "dryrun"}) == "offline"
    assert wandb_mode({**key, "WANDB_MODE": "disabled"}) == wandb_mode({**key, "WANDB_DISABLED": "true"}) == "disabled"
    monkeypatch.setattr(weights_and_biases, "is_reachable", lambda url: False)
    assert wandb_mode(key) == wandb_mode({**key, "WANDB_MODE": "online"}) == "offline"


def test_a_server_that_never_answers_costs_no_more_than_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*arguments: Any, **named: Any) -> None:
        time.sleep(3)
        raise OSError("nobody there")

    monkeypatch.setattr(weights_and_biases.socket, "create_connection", hang)
    started = time.monotonic()
    assert not is_reachable("https://api.example", seconds=0.2)
    assert time.monotonic() - started < 2


def test_a_server_that_listens_is_reachable() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        assert is_reachable(f"http://127.0.0.1:{server.getsockname()[1]}")


def test_how_to_view_names_a_command(tmp_path: Path) -> None:
    assert f"wandb leet {tmp_path}/wandb" in how_to_view(tmp_path, mode="offline", url=None)
    assert "https://x" in how_to_view(tmp_path, mode="online", url="https://x")


@pytest.mark.slow
def test_going_online_that_fails_becomes_an_offline_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    modes: list[str] = []
    begin = wandb.init

    def refuse(*arguments: Any, mode: str, **named: Any) -> Any:
        modes.append(mode)
        if mode == "online":
            raise wandb.errors.CommError("gateway on fire")
        return begin(*arguments, mode=mode, **named)

    monkeypatch.setattr(wandb, "init", refuse)
    monkeypatch.setattr(weights_and_biases, "wandb_mode", lambda variables: "online")
    logger = weights_and_biases.start_wandb(tmp_path, name="run", config={"seed": 1})
    logger.experiment.finish()
    assert modes == ["online", "offline"]
    assert list((tmp_path / "wandb").glob("offline-run-*"))


TRAIN = """
import sys
from pathlib import Path
from tiny_training import fit, tiny_config
config = tiny_config(max_steps=int(sys.argv[2])).model_copy(update={"logger": "wandb"})
fit(Path(sys.argv[1]), config)
"""


def environment_without_key(home: Path) -> dict[str, str]:
    here = Path(__file__).parent
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB") and name != "NETRC"}
    paths = os.pathsep.join([str(here), str(here.parent)])
    return {**clean, "HOME": str(home), "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def run_on_a_terminal(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run with a terminal for standard input, output and error, where wandb would ask; nobody answers."""
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    said = b""
    while True:
        try:
            piece = os.read(keyboard, 4096)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        said += piece
    code = process.wait(timeout=10)
    os.close(keyboard)
    return code, said.decode(errors="replace")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_without_a_key_a_terminal_is_never_prompted_and_an_offline_run_is_complete(tmp_path: Path) -> None:
    folder, home = tmp_path / "run", tmp_path / "home"
    home.mkdir()
    environment = environment_without_key(home)
    code, said = run_on_a_terminal([sys.executable, "-c", TRAIN, str(folder), "5"], environment)
    assert code == 0, said
    assert "Enter your choice" not in said and "(1)" not in said
    closed = subprocess.run(
        [sys.executable, "-c", TRAIN, str(folder), "10"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert closed.returncode == 0, closed.stderr
    runs = sorted((folder / "wandb").glob("offline-run-*"))
    identifier = (folder / "wandb_id").read_text().strip()
    assert len(runs) == 2 and all(run.name.endswith(identifier) for run in runs)
    for run in runs:
        assert list(run.glob("files/media/table/samples_*.table.json"))
        assert list(run.glob("files/media/images/attention_*.png"))
    assert "W&B offline; look at it: wandb leet" in (folder / "train.log").read_text()
    stored = (runs[0] / f"run-{identifier}.wandb").read_bytes()
    for recorded in (b"validation/bleu", b"train/loss", b"label_smoothing", b"model.ckpt"):
        assert recorded in stored, recorded
    table = json.loads(next(runs[0].glob("files/media/table/*.json")).read_text())
    assert table["columns"] == ["source", "reference", "hypothesis", "chrf"]
