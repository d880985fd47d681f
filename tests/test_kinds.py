"""Each kind of run says of itself what the house asks, and the house knows each by the word of its `task`."""

import re
from collections import Counter
from dataclasses import replace
from unittest.mock import Mock

import pytest

from nmt.checkpoint import any_kind
from nmt.cli.main import COMMANDS
from nmt.config.schema import ROOTS, Root
from nmt.data.place import Place
from nmt.training.kinds import kind_of
from nmt.training.parts import Parts
from nmt.training.recognition.kind import RECOGNITION
from nmt.training.sequence_task import SequenceTask
from nmt.training.translation.kind import TRANSLATION
from nmt.training.watching import curves
from nmt.training.watching.measurement import LEARNING_RATE, columns, speed
from nmt.training.watching.progress import shown_metrics

every_kind = pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS)


@every_kind
def test_what_is_said_of_a_kind_can_be_typed(root: Root) -> None:
    assert root.used_by in COMMANDS
    embedded = re.search(r"\(or (\w+:train)\)", root().training_data)
    assert embedded
    [source] = root.model_validate({"data": {"train": embedded[1]}}).data.train
    assert source.kind in embedded[1] and source.path == "train"
    assert root().outputs > 1


def test_every_kind_has_its_own_words() -> None:
    for asked in ("makes", "used_by", "training_data"):
        assert len({getattr(root(), asked) for root in ROOTS.values()}) == len(ROOTS)


def test_every_kind_of_checkpoint_can_be_read() -> None:
    assert any_kind._READERS.keys() == ROOTS.keys()


@every_kind
def test_a_kind_watches_its_own_unit(root: Root) -> None:
    """What `ThroughputMonitor` logs is a column from the beginning, has a word, and is drawn."""
    kind = kind_of(root())
    by_wall, by_cpu, minutes = speed(kind.unit, kind.unit)
    [watched] = [one for one in kind.measurements if one.name == by_wall.name]
    assert watched.shown is not None and watched.drawn == by_wall.drawn
    assert {by_cpu, minutes} <= {*kind.measurements}
    assert {by_wall.name, by_cpu.name, minutes.name} <= {*columns(kind.measurements)}


@every_kind
def test_everything_that_is_drawn_has_its_panel_and_every_panel_its_lines(root: Root) -> None:
    """A panel that the picture has not would never be seen, and a line has a colour of its own."""
    kind = kind_of(root())
    assert len(kind.panels) == curves.ROWS * curves.COLUMNS
    drawn = Counter(one.drawn.panel for one in kind.measurements if one.drawn is not None)
    assert drawn.keys() == {*kind.panels} and max(drawn.values()) <= len(curves.COLOURS)


@every_kind
def test_a_measurement_is_described_once(root: Root) -> None:
    """A second row of one name would be a second column, line and word of it."""
    names = [one.name for one in kind_of(root()).measurements]
    assert len(names) == len(set(names)) and not {"step", "epoch"} & {*names}
    assert all(name.startswith(("train/", "validation/")) for name in names)


def test_a_line_says_training_first() -> None:
    everything = {one.name: 2.0 for one in TRANSLATION.measurements}
    said = "loss ppl lr grad truth tok/s GLEU val-loss val-ppl BLEU chrF++"
    assert [word.replace(" ", "-") for word in shown_metrics(everything, TRANSLATION.measurements)] == said.split()


def test_earlier_tables_of_measurements_have_the_same_columns() -> None:
    """Whoever reads one by position reads the next one too; what only some runs measure comes after them."""
    shared = "train/learning_rate train/gradient_norm"
    assert columns(TRANSLATION.measurements) == tuple(
        f"step epoch train/loss train/perplexity {shared} train/teacher_forcing train/tokens_per_second"
        " train/tokens_per_cpu_second train/cpu_minutes"
        " validation/loss validation/perplexity validation/bleu validation/chrf".split()
    )
    assert columns(RECOGNITION.measurements) == tuple(
        f"step epoch train/loss train/shortcut_loss train/lost_lines {shared} train/characters_per_second"
        " train/characters_per_cpu_second train/cpu_minutes validation/loss validation/cer validation/wer".split()
    )


def test_the_reward_of_draws_takes_no_colour_from_what_every_translator_has() -> None:
    """Pictures of runs with and without it lie side by side."""
    [panel] = [panel for panel in TRANSLATION.panels if panel.title == "Translation quality"]
    measured = {one.name: [(0.0, 1.0)] for one in TRANSLATION.measurements}
    labels = [label for _, label in curves.measured_lines(panel, TRANSLATION.measurements, measured)]
    assert labels == ["BLEU", "chrF++", "GLEU of draws"]


@every_kind
def test_words_stand_for_one_measurement_each_and_fit_their_numbers(root: Root) -> None:
    words = [one.shown for one in kind_of(root()).measurements if one.shown is not None]
    assert len({shown.word for shown in words}) == len(words)
    for shown in words:
        assert shown.form.format(1234.5) != shown.form


@every_kind
def test_no_kind_names_what_only_another_measures(root: Root) -> None:
    """A row that was copied from another kind would stay empty for ever."""
    kind = kind_of(root())
    others = [kind_of(other()) for other in ROOTS.values() if other is not root]
    for other in others:
        assert not any(f"train/{other.unit}_per" in one.name for one in kind.measurements)


def test_the_schemas_are_of_one_base_and_say_their_task_first() -> None:
    for task, root in ROOTS.items():
        assert [*root.model_fields][:4] == ["task", "name", "seed", "logger"]
        assert root.model_validate({"task": task}) == root()


def test_a_process_validates_on_its_share_and_the_end_of_a_run_on_all() -> None:
    asked: list[Place] = []
    parts = Parts(Mock(spec=SequenceTask), Mock(), asked.append, (), Mock(), Mock())
    place = Place(rank=1, ranks=3, on_gpu=True)
    parts.validation(place)
    assert asked == [place]
    assert replace(parts, evaluation=None).validation(place) is None


@pytest.mark.parametrize(
    ("ratios", "drawn"),
    [([1.0, 1.0], ["learning rate"]), ([1.0, 0.5], ["learning rate", "teacher forcing"])],
    ids=["stays", "changes"],
)
def test_a_ratio_that_stays_what_it_is_is_not_drawn(ratios: list[float], drawn: list[str]) -> None:
    """It only squeezes the learning rate's curve."""
    measured = {
        "train/teacher_forcing": [(float(step), ratio) for step, ratio in enumerate(ratios)],
        "train/learning_rate": [(0.0, 1.0), (1.0, 1.0)],
    }
    lines = curves.measured_lines(LEARNING_RATE, TRANSLATION.measurements, measured)
    assert [label for _, label in lines] == drawn
