"""Each kind of run says of itself what the house asks, and the house knows each by the word of its `task`."""

from dataclasses import replace
from unittest.mock import Mock

import pytest

from nmt.checkpoint import any_kind
from nmt.cli.main import COMMANDS
from nmt.config.schema import ROOTS, Root
from nmt.training.kinds import kind_of
from nmt.training.parts import Parts, Place
from nmt.training.sequence_task import SequenceTask
from nmt.training.translation.kind import TRANSLATION
from nmt.training.watching import curves

every_kind = pytest.mark.parametrize("root", ROOTS.values(), ids=ROOTS)


@every_kind
def test_what_is_said_of_a_kind_can_be_typed(root: Root) -> None:
    assert root.used_by in COMMANDS
    [source] = root.model_validate({"data": {"train": root.embedded}}).data.train
    assert source.kind in root.embedded and source.path == "train"
    assert root().outputs > 1


def test_every_kind_has_its_own_words() -> None:
    for asked in ("makes", "used_by", "embedded"):
        assert len({getattr(root, asked) for root in ROOTS.values()}) == len(ROOTS)


def test_every_kind_of_checkpoint_can_be_read() -> None:
    assert any_kind._READERS.keys() == ROOTS.keys()


@every_kind
def test_a_kind_watches_its_own_unit(root: Root) -> None:
    """What `ThroughputMonitor` logs is a column from the beginning, has a word, and is drawn."""
    kind = kind_of(root())
    assert len(kind.panels) == curves.ROWS * curves.COLUMNS
    drawn = [name for panel in kind.panels for name, _ in panel.lines]
    assert len(drawn) == len(set(drawn)) and len(kind.columns) == len(set(kind.columns))
    speeds = [f"train/{kind.unit}_per_second", f"train/{kind.unit}_per_cpu_second"]
    assert speeds[0] in kind.words and {*speeds} <= {*kind.columns} & {*drawn}
    assert kind.columns[:2] == ("step", "epoch") and "train/cpu_minutes" in kind.columns


@every_kind
def test_words_stand_for_one_measurement_each_and_fit_their_numbers(root: Root) -> None:
    words = kind_of(root()).words
    assert len({shown.word for shown in words.values()}) == len(words)
    for shown in words.values():
        assert shown.form.format(1234.5) != shown.form


@every_kind
def test_no_kind_names_what_only_another_measures(root: Root) -> None:
    """A column, word or curve that was copied from another kind would stay empty for ever."""
    kind = kind_of(root())
    others = [kind_of(other()) for other in ROOTS.values() if other is not root]
    for other in others:
        assert not any(f"train/{other.unit}_per" in name for name in (*kind.columns, *kind.words))


def test_the_schemas_are_of_one_base_and_say_their_task_first() -> None:
    for task, root in ROOTS.items():
        assert [*root.model_fields][:4] == ["task", "name", "seed", "logger"]
        assert root.model_validate({"task": task}) == root()


def test_a_process_validates_on_its_share_and_the_end_of_a_run_on_all() -> None:
    asked: list[dict[str, int]] = []
    parts = Parts(Mock(spec=SequenceTask), Mock(), lambda **share: asked.append(share), (), Mock(), Mock())
    parts.validation(Place(rank=1, ranks=3, on_gpu=True))
    assert asked == [{"rank": 1, "world_size": 3, "pin_memory": True}]
    assert replace(parts, evaluation=None).validation(Place(0, 1, on_gpu=False)) is None


@pytest.mark.parametrize(("ratios", "drawn"), [([1.0, 1.0], False), ([1.0, 0.5], True)])
def test_a_ratio_that_stays_what_it_is_is_not_drawn(ratios: list[float], *, drawn: bool) -> None:
    """It only squeezes the learning rate's curve."""
    name = "train/teacher_forcing"
    [panel] = [one for one in TRANSLATION.panels if name in dict(one.lines)]
    measured = {
        name: [(float(step), ratio) for step, ratio in enumerate(ratios)],
        "train/learning_rate": [(0.0, 1.0), (1.0, 1.0)],
    }
    assert curves._is_drawn(name, panel, measured) == drawn
    assert curves._is_drawn("train/learning_rate", panel, measured)
