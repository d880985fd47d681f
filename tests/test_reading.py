"""The end of a recogniser's run: the search that ships is the run's, tuned; test sets are scored with what ships."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_recognition_task import TEXTS, small_config, write_lines

from nmt.checkpoint import read_recognition, write_checkpoint
from nmt.config.recognition import ConfidenceConfig, CTCSearchConfig
from nmt.data.lines.prepare import LineCorpora
from nmt.errors import DataError
from nmt.inference.recognizer import Recognizer
from nmt.metrics.error_rate import error_rates
from nmt.text.arpa import parse_arpa, write_arpa
from nmt.text.ngram import estimate
from nmt.training.fit import train
from nmt.training.recognition import reading
from nmt.training.recognition.reading import TUNED, language_model_of
from nmt.training.recognition.run import read_corpora
from nmt.training.watching import curves

BEAM = {"beam_size": 4, "ngram_order": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines to train on, to validate with, and to test with; one of the latter has a character nobody knows."""
    folder = tmp_path_factory.mktemp("reading")
    write_lines(folder / "train", TEXTS)
    write_lines(folder / "val", TEXTS[::2], seed=50)
    write_lines(folder / "test", [*TEXTS[1::2], "zebra"], seed=90)
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's folder; nothing is drawn."""
    monkeypatch.setattr(curves, "draw_curves", lambda *_: None)
    return tmp_path / "run"


def trained(folder: Path, run: Path, **sections: Any) -> dict[str, Any]:
    """Two steps, or the end alone where they were made before; the scores of the test set."""
    given = {"data": {"test": str(folder / "test")}, **sections}
    given["train"] = {"max_steps": 2, "validate_every_steps": 2} | sections.get("train", {})
    train(small_config(folder, **given), run_dir=run)
    scores: dict[str, Any] = json.loads((run / "test" / "scores.json").read_text("utf-8"))["test"]
    return scores


def test_a_search_that_changes_after_the_training_is_tuned_and_becomes_the_best_checkpoints(
    folder: Path, run: Path
) -> None:
    assert trained(folder, run).keys() == {"best path"}
    first = read_recognition(run)
    assert first.language_model is None and first.about[TUNED] == len(TEXTS[::2])
    assert first.config.search.confidence != ConfidenceConfig()

    scores = trained(folder, run, search=BEAM, train={"tuning_lines": 3})
    assert scores.keys() == {"best path", "beam 4 + language model"}
    best = read_recognition(run)
    assert best.language_model is not None and best.about[TUNED] == 3
    assert best.config.search.beam_size == 4 and best.about["step"] == 2
    assert all(first.weights[name].equal(best.weights[name]) for name in first.weights)
    assert scores["beam 4 + language model"]["search"] == best.config.search.model_dump(mode="json")

    tuned = (run / "checkpoints" / "tuned.ckpt").stat()
    assert trained(folder, run, search=BEAM, train={"tuning_lines": 3}) == scores
    assert (run / "checkpoints" / "tuned.ckpt").stat() == tuned  # nothing new, nothing written

    trained(folder, run, search={**BEAM, "language_weight": 0.7}, train={"tuning_lines": 0})
    best = read_recognition(run)
    assert best.config.search.language_weight == 0.7 and TUNED not in best.about
    assert best.config.search.confidence == ConfidenceConfig()


def test_tests_are_scored_with_what_ships_and_bad_lines_count_as_not_read(folder: Path, run: Path) -> None:
    scores = trained(folder, run, train={"tuning_lines": 0})
    corpora: LineCorpora = read_corpora(small_config(folder, data={"test": str(folder / "test")}))
    corpus = corpora.tests["test"]
    assert [line.text for line in corpus.bad] == ["zebra"]
    read = [one.text for one in Recognizer.from_checkpoint(run).recognize(corpus.lines)]
    writers = [*map(corpus.writer, range(len(corpus))), corpus.bad[0].writer]
    rates = error_rates([*corpus.texts, "zebra"], [*read, None], writers)
    assert scores["best path"] == rates.as_dict() | {"search": CTCSearchConfig().model_dump(mode="json")}
    rows = (run / "test" / "test.best_path.tsv").read_text("utf-8").splitlines()
    assert rows == [f"{corpus.name(i)}\t{text}" for i, text in enumerate(read)]


def test_a_recogniser_that_says_nothing_is_told_of_at_the_end(folder: Path, run: Path) -> None:
    """It got its confidences and its scores, and the next command gave empty lines."""
    trained(folder, run)
    assert "came out empty" not in (run / "train.log").read_text("utf-8")
    best = read_recognition(run)
    best.weights["output.bias"][0] += 1000  # a blank in every frame
    write_checkpoint((run / "checkpoints" / "best.ckpt").resolve(), best)
    trained(folder, run)
    assert (run / "train.log").read_text("utf-8").count("6 of 6 lines of the validation set came out empty") == 1


def test_of_a_large_set_a_few_lines_show_that_nothing_is_read(
    folder: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said `16 of 16 lines` at the end of a run whose sets had hundreds, and not which."""
    monkeypatch.setattr(reading, "LOOKED_AT", 4)
    trained(folder, run, train={"tuning_lines": 4})
    best = read_recognition(run)
    best.weights["output.bias"][0] += 1000
    write_checkpoint((run / "checkpoints" / "best.ckpt").resolve(), best)
    trained(folder, run, train={"tuning_lines": 4})
    told = (run / "train.log").read_text("utf-8")
    assert told.count("4 of 4 lines of the validation set (spread over all 6) came out empty") == 1
    assert told.count("fitting confidences to what is right of 4 of 6 validation lines") == 2


@given(st.integers(0, 400), st.integers(1, 400))
def test_lines_are_chosen_at_even_distances_and_as_many_as_were_asked_for(size: int, count: int) -> None:
    """Every second of 231 lines was taken, 116 of them, where 200 were asked for."""
    chosen = reading._spread(size, count)
    assert len(chosen) == min(size, count) and chosen[:1] == [0][:size]
    gaps = {after - before for before, after in pairwise([*chosen, size])}
    assert not gaps or (min(gaps) >= 1 and max(gaps) - min(gaps) <= 1)


def test_a_language_model_given_as_a_file_is_carried(tmp_path: Path) -> None:
    file = tmp_path / "other.arpa"
    write_arpa(estimate(["nest", "sea"], 2), file)
    search = CTCSearchConfig(language_model=str(file), ngram_order=5)
    carried = language_model_of(TEXTS, search)
    file.unlink()
    assert carried is not None and parse_arpa(carried, name="carried").order == 2
    own = language_model_of(TEXTS, CTCSearchConfig(ngram_order=3))
    assert own is not None and parse_arpa(own, name="own").order == 3
    assert language_model_of(TEXTS, CTCSearchConfig()) is None
    with pytest.raises(DataError, match="other.arpa"):
        language_model_of(TEXTS, search)


def test_a_search_that_cannot_be_is_said_before_anything_is_learnt(folder: Path, run: Path) -> None:
    lexicon = folder / "words.txt"
    lexicon.write_text("zzz\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"words\.txt: none of 1 words can be spelled"):
        trained(folder, run, search={"beam_size": 4, "lexicon": str(lexicon)})
    assert not list((run / "checkpoints").glob("*.ckpt"))
