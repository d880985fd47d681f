"""What a run computes with: asked for, found in its folder, or measured, in that order; and measuring is silent."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.config.recognition import ALPHABET, RecognitionConfig
from nmt.config.schema import Config
from nmt.errors import ConfigError
from nmt.models import linear
from nmt.training.machine import levers, timings
from nmt.training.machine.levers import LEVERS_FILE, Levers, apply, choose_levers, limit_kernels


@pytest.fixture(autouse=True)
def _settings_of_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A machine on which nothing was timed yet."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("NMT_CACHE", str(tmp_path_factory.mktemp("nothing-timed")))
    yield
    torch.set_num_threads(1)
    linear.use_onednn(False)


class Stopwatch:
    """Stands in for the measurement: the times it gives for the first and the second candidate."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, first: float, second: float) -> None:
        self.times = [first, second]
        self.asked = 0
        monkeypatch.setattr(timings, "seconds", self)

    def __call__(self, candidates: Sequence[Callable[[], None]]) -> list[float]:
        self.asked += 1
        assert len(candidates) == 2
        return self.times


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU with bf16 products, the oneDNN operator, and two threads."""
    monkeypatch.setattr(levers, "multiplies_bf16", lambda *, on_gpu: True)
    monkeypatch.setattr(levers, "computes_bf16", lambda: True)
    monkeypatch.setattr(linear, "has_onednn", lambda: True)
    monkeypatch.setattr(linear, "_multiply", lambda inputs, weight, bias=None: inputs @ weight.mT)
    torch.set_num_threads(2)


def config(hidden_size: int = 128, **train: Any) -> Config:
    sizes = {"hidden_size": hidden_size, "embedding_size": 8}
    return Config.model_validate(
        {"train": {"max_steps": 1, **train}, "model": sizes, "tokenizer": {"vocabulary_size": 16}}
    )


@pytest.mark.usefixtures("machine")
def test_a_recogniser_is_measured_at_its_own_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def remembered(cache: object, question: dict[str, Any], measure: object) -> list[float]:
        asked.append((question["what"], question["hidden_size"], question["vocabulary"]))
        return [1.0, 0.5]

    monkeypatch.setattr(levers.timings, "remembered", remembered)
    given = RecognitionConfig.model_validate({"model": {"hidden_size": 136}, "train": {"max_steps": 1}})
    assert values(choose_levers(given, tmp_path, on_gpu=False)) == ("bf16-mixed", "onednn", "2")
    assert asked == [(what, 136, ALPHABET) for what in ("threads", "products", "precision")]


def values(chosen: Levers) -> tuple[str, str, str]:
    return chosen.precision.value, chosen.products.value, chosen.threads.value


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("second", "expected"), [(0.5, ("bf16-mixed", "onednn", "2")), (0.95, ("32-true", "torch", "1"))]
)
def test_what_is_clearly_faster_is_taken(
    second: float, expected: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopwatch = Stopwatch(monkeypatch, 1.0, second)
    chosen = choose_levers(config(), tmp_path, on_gpu=False)
    assert values(chosen) == expected and stopwatch.asked == 3
    assert f"{1 / second:.2f} ×" in chosen.precision.why and chosen.report().count("\n") == 2


@pytest.mark.usefixtures("machine")
def test_a_run_goes_on_as_it_began_whatever_the_stopwatch_says_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stopwatch(monkeypatch, 1.0, 0.5)
    begun = choose_levers(config(), tmp_path, on_gpu=False)
    monkeypatch.setenv("NMT_CACHE", str(tmp_path / "emptied"))
    stopwatch = Stopwatch(monkeypatch, 1.0, 2.0)
    assert choose_levers(config(), tmp_path, on_gpu=False) == begun
    assert stopwatch.asked == 0
    known = json.loads((tmp_path / LEVERS_FILE).read_text())
    known["machine"]["cpu"] = "another"  # the folder was carried to another machine: bf16 may be emulated here
    (tmp_path / LEVERS_FILE).write_text(json.dumps(known))
    assert values(choose_levers(config(), tmp_path, on_gpu=False)) == ("32-true", "torch", "1")


@pytest.mark.usefixtures("machine")
def test_two_fresh_runs_of_one_seed_choose_alike_whatever_the_stopwatch_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A near thing, timed anew, would now and then give them other kernels and so other last bits."""
    Stopwatch(monkeypatch, 1.0, 0.87)
    first = choose_levers(config(), tmp_path / "first", on_gpu=False, writes=False)
    stopwatch = Stopwatch(monkeypatch, 1.0, 0.5)
    linear.use_onednn(True)  # by another run in this process
    assert choose_levers(config(), tmp_path / "second", on_gpu=False, writes=False) == first
    assert stopwatch.asked == 0
    monkeypatch.setattr(levers, "cpu_model", lambda: "another")
    assert choose_levers(config(), tmp_path / "elsewhere", on_gpu=False, writes=False) != first


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("other", [{"hidden_size": 256}, {"threads": 1}, {"products": "onednn"}])
def test_what_was_timed_otherwise_is_timed_anew(
    other: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stopwatch(monkeypatch, 1.0, 0.87)
    choose_levers(config(threads=2, products="torch"), tmp_path, on_gpu=False, writes=False)
    stopwatch = Stopwatch(monkeypatch, 1.0, 0.87)
    again = config(**{"threads": 2, "products": "torch", **other})
    choose_levers(again, tmp_path, on_gpu=False, writes=False)
    assert stopwatch.asked == 1  # bf16 or not, at other sizes, threads or kernels of float32


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("text", ["", "[]", "{}", '{"machine": {}}', "no JSON"])
def test_a_broken_file_is_measured_anew(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopwatch = Stopwatch(monkeypatch, 1.0, 0.5)
    (tmp_path / LEVERS_FILE).write_text(text)
    choose_levers(config(), tmp_path, on_gpu=False)
    assert stopwatch.asked == 3


@pytest.mark.usefixtures("machine")
def test_what_is_asked_for_is_obeyed_unmeasured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopwatch = Stopwatch(monkeypatch, 1.0, 0.5)
    asked = config(precision="32", products="torch", threads=1)
    assert values(choose_levers(asked, tmp_path, on_gpu=False)) == ("32-true", "torch", "1")
    asked = config(precision="bf16", products="onednn", threads=3)
    assert values(choose_levers(asked, tmp_path, on_gpu=False)) == ("bf16-mixed", "onednn", "3")
    assert stopwatch.asked == 0
    choose_levers(config(precision="32", products="torch"), tmp_path, on_gpu=False)
    assert stopwatch.asked == 1  # threads asked for once are not asked for ever


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("given", [{"hidden_size": 127}, {"devices": 2}])
def test_small_models_and_many_processes_do_not_measure(
    given: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopwatch = Stopwatch(monkeypatch, 1.0, 2.0)
    assert values(choose_levers(config(**given), tmp_path, on_gpu=False)) == ("bf16-mixed", "torch", "2")
    monkeypatch.setenv("WORLD_SIZE", "2")  # torchrun
    choose_levers(config(), tmp_path, on_gpu=False)
    assert stopwatch.asked == 0


def test_bf16_on_a_cpu_without_any_is_refused_before_it_fails_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(levers, "computes_bf16", lambda: False)
    with pytest.raises(ConfigError, match="train.precision 'bf16' .* auto"):
        choose_levers(config(precision="bf16", hidden_size=16), tmp_path, on_gpu=False)
    assert not (tmp_path / LEVERS_FILE).exists()


def test_without_bf16_products_it_is_not_even_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levers, "multiplies_bf16", lambda *, on_gpu: False)
    chosen = choose_levers(config(hidden_size=16), tmp_path, on_gpu=False)
    assert chosen.precision == ("32-true", "the CPU has no bf16 products")


@pytest.mark.parametrize("product", [True, False])
def test_a_missing_operator_is_said(product: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "has_onednn", lambda: product)
    chosen = choose_levers(config(products="onednn", hidden_size=8), tmp_path, on_gpu=False).products
    assert chosen.value == ("onednn" if product else "torch") and ("no such operator" in chosen.why) is not product


def test_measuring_draws_no_number_and_changes_no_setting(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    state = torch.get_rng_state()
    chosen = choose_levers(config(), tmp_path, on_gpu=False, writes=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == 2 and not linear.uses_onednn() and not (tmp_path / LEVERS_FILE).exists()
    assert chosen.threads.value in ("1", "2") and "× as fast" in chosen.products.why


@pytest.mark.usefixtures("machine")
def test_applied_is_what_was_chosen(tmp_path: Path) -> None:
    apply(choose_levers(config(products="onednn", threads=2, precision="32"), tmp_path, on_gpu=False))
    assert torch.get_num_threads() == 2 and linear.uses_onednn()


def test_the_limit_of_kernels_leaves_what_the_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "7")
    limit_kernels()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_exact_float32_on_a_gpu_means_no_tf32(tmp_path: Path) -> None:
    chosen = choose_levers(config(precision="32"), tmp_path, on_gpu=True)
    apply(chosen)
    assert chosen.tf32.value == "off" and torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.allow_tf32 and "TF32" in chosen.report()
