"""A line is read the same alone and among others, from whatever shows it; boxes lie where its pixels are."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_recognizer import SYMBOLS, scribble, tiny_recognizer, write_scribble, write_tiny_recognizer

import nmt
from nmt.config.recognition import CTCSearchConfig
from nmt.data.lines.line import Line, Pixels, Points
from nmt.data.lines.picture import MAX_COLUMNS, Cutout, ImageFile
from nmt.errors import CheckpointError, ConfigError, DataError, RecognitionError
from nmt.inference.ctc_tuning import language_log_probability
from nmt.inference.line_confidence import COMPARED
from nmt.inference.line_input import PenPlace
from nmt.inference.line_search import LineSearch, read_lexicon
from nmt.inference.recognition import NOTHING, Recognition, edges
from nmt.inference.recognizer import Recognizer
from nmt.models.recognition import FrameScores, RecognitionModel
from nmt.text.alphabet import Alphabet
from nmt.text.arpa import arpa_bytes, write_arpa
from nmt.text.ngram import estimate

WIDTHS = (40, 200, 90, 7, 300, 90, 11)
BEAM = {"beam_size": 6, "top_symbols": 0, "nbest": 3}


def recognizer(
    *, kind: str = "image", seed: int = 1, language_model: bytes | None = None, **sections: Any
) -> Recognizer:
    checkpoint = tiny_recognizer(seed=seed, kind=kind, **sections)
    return Recognizer(checkpoint.build(), checkpoint.alphabet, checkpoint.config, language_model=language_model)


def pen(letters: int, *, seed: int = 0) -> Points:
    """Zigzags from left to right, in the units of some device, a stroke each."""
    generator = np.random.default_rng([seed, letters])
    strokes = []
    for letter in range(letters):
        xy = generator.uniform(0, 100, (6, 2)) + np.array([120 * letter, 400])
        strokes.append(np.column_stack([xy, np.arange(6) * 10.0]).astype(np.float32))
    return Points(tuple(strokes))


LINES: dict[str, Callable[[], list[Any]]] = {
    "image": lambda: [scribble(width) for width in WIDTHS],
    "strokes": lambda: [pen(letters) for letters in (3, 9, 1, 5, 2)],
}


# --- a line is what it is, whoever stands beside it


@pytest.mark.parametrize("kind", ["image", "strokes"])
def test_a_line_alone_has_the_frames_it_has_among_lines_of_other_widths(kind: str) -> None:
    reader, lines = recognizer(kind=kind), LINES[kind]()
    together = reader.frame_scores(lines)
    for line, scores in zip(lines, together, strict=True):
        (alone,) = reader.frame_scores([line])
        assert len(scores) == reader.model.frontend.frames(reader.read(line).columns)
        torch.testing.assert_close(scores, alone, rtol=0, atol=1e-5)
        torch.testing.assert_close(scores.exp().sum(1), torch.ones(len(scores)))


@pytest.mark.parametrize("search", [{}, BEAM], ids=["best_path", "beam"])
@pytest.mark.parametrize("data", [{"batch_lines": 1}, {"batch_columns": 150}, {"batch_lines": 3}])
def test_batches_change_no_text_and_results_keep_the_order_of_the_lines(
    search: dict[str, Any], data: dict[str, Any]
) -> None:
    lines = LINES["image"]()
    expected = recognizer(search=search).recognize(lines)
    assert len({found.text for found in expected}) > 4
    found = recognizer(search=search, data=data).recognize(lines)
    for one, other in zip(found, expected, strict=True):
        assert same(one, other)
    backwards = recognizer(search=search).recognize(lines[::-1])
    assert all(same(one, other) for one, other in zip(backwards, expected[::-1], strict=True))


def same(one: Recognition, other: Recognition) -> bool:
    return (
        [reading.text for reading in one.nbest] == [reading.text for reading in other.nbest]
        and one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-3)
        and [c.symbol for c in one.characters] == [c.symbol for c in other.characters]
        and edges_of(one) == pytest.approx(edges_of(other))
    )


def edges_of(found: Recognition) -> list[float]:
    return [edge for character in found.characters for edge in character.box]


def test_more_lines_than_a_window_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = LINES["image"]()
    expected = [found.text for found in recognizer().recognize(lines)]
    monkeypatch.setattr("nmt.inference.recognizer.WINDOW", 3)
    drawn: list[int] = []
    stream = recognizer().recognize_stream(line for number, line in enumerate(lines) if not drawn.append(number))
    assert next(stream).text == expected[0] and drawn == [0, 1, 2]
    assert [found.text for found in stream] == expected[1:]


@pytest.mark.parametrize("most", [1, 2])
def test_without_memory_for_a_batch_it_is_halved(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    lines, reader = LINES["image"](), recognizer()
    expected = reader.recognize(lines)
    forward, sizes = reader._forward, []

    def small(inputs: Sequence[Any]) -> list[torch.Tensor]:
        sizes.append(len(inputs))
        if len(inputs) > most:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate much")
        return forward(inputs)

    monkeypatch.setattr(reader, "_forward", small)
    assert all(same(one, other) for one, other in zip(reader.recognize(lines), expected, strict=True))
    assert max(sizes) == len(lines)


def test_a_single_line_too_large_is_said_and_other_errors_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = recognizer()

    def fail(error: Exception) -> Callable[[object], None]:
        def forward(inputs: object) -> None:
            raise error

        return forward

    monkeypatch.setattr(reader, "_forward", fail(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(RecognitionError, match="one line of 27 columns"):
        reader.recognize([scribble(40)])
    monkeypatch.setattr(reader, "_forward", fail(RuntimeError("shape mismatch")))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        reader.recognize([scribble(40), scribble(40)])


# --- whatever shows a line


def test_paths_images_arrays_and_recordings_are_the_same_line(tmp_path: Path) -> None:
    path, reader = write_scribble(tmp_path / "line.png", 120), recognizer()
    values = scribble(120)
    lines = [str(path), path, Image.open(path), values, ImageFile(str(path)), Line("x", None, "", ImageFile(str(path)))]
    lines += [Pixels(values), np.stack([values] * 3, axis=2), reader.read(path)]
    expected, *others = reader.recognize(lines)
    assert expected.text and expected.characters
    for other in others:
        assert same(other, expected)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("image", np.full((1, 50), 10, dtype=np.uint8)),
        ("image", np.full((24, 50), 255, dtype=np.uint8)),
        ("image", np.zeros((24, 50, 3), dtype=np.uint8)),
        ("image", np.zeros((24, 0), dtype=np.uint8)),
        ("image", np.zeros((0, 0), dtype=np.uint8)),
        ("image", np.zeros((2, 100_000), dtype=np.uint8)),
        ("strokes", Points(())),
        ("strokes", Points((np.zeros((0, 3), dtype=np.float32),))),
    ],
    ids=["one_pixel_high", "white", "black", "no_width", "nothing", "a_hair", "no_stroke", "no_point"],
)
@pytest.mark.parametrize("search", [{}, BEAM], ids=["best_path", "beam"])
def test_where_nothing_is_written_nothing_is_read(kind: str, line: Any, search: dict[str, Any]) -> None:
    reader = recognizer(kind=kind, search=search)
    before, nothing, after = reader.recognize([LINES[kind]()[1], line, LINES[kind]()[0]])
    assert (nothing.text, nothing.confidence, nothing.characters) == ("", 1.0, ()) and nothing == NOTHING
    assert before.text and after.text
    assert [len(scores) for scores in reader.frame_scores([line])] == [0]
    assert reader.recognize([]) == []


@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_smallest_lines_are_read_without_a_crash(width: int) -> None:
    values = np.full((4, width), 255, dtype=np.uint8)
    values[1, 0] = 0
    (found,) = recognizer(search=BEAM).recognize([values])
    assert len(found.characters) == len(found.text)
    (found,) = recognizer(kind="strokes").recognize([Points((np.ones((1, 3), dtype=np.float32),))])
    assert len(found.characters) == len(found.text)


def test_what_is_no_line_for_this_model_is_said(tmp_path: Path) -> None:
    reader = recognizer()
    with pytest.raises(DataError, match=r"nowhere\.png: no such file"):
        reader.recognize([tmp_path / "nowhere.png"])
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(DataError, match=r"text\.png: is no image"):
        reader.recognize([str(tmp_path / "text.png")])
    with pytest.raises(DataError, match="pen strokes, but this recogniser reads images"):
        reader.recognize([pen(2)])
    with pytest.raises(DataError, match="an image, but this recogniser reads pen strokes"):
        recognizer(kind="strokes").recognize([scribble(20)])
    with pytest.raises(DataError, match="24 × 50 float64; give uint8"):
        reader.recognize([np.zeros((24, 50))])
    with pytest.raises(DataError, match=f"a line: .* a line has at most {MAX_COLUMNS:,}"):
        reader.recognize([scribble(MAX_COLUMNS, height=4)])


# --- boxes


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=12), st.integers(0, 3))
def test_edges_share_out_the_frames_between_symbols(steps: list[tuple[int, int]], behind: int) -> None:
    spans, at = [], 0
    for gap, length in steps:
        spans.append((at + gap, at + gap + length))
        at += gap + length
    found = edges(spans, at + behind)
    assert all(
        0 <= left <= first < end <= right <= at + behind
        for (left, right), (first, end) in zip(found, spans, strict=True)
    )
    for one, other in pairwise(found):
        assert one[1] == other[0]
    for (_, end), (first, _), (_, middle) in zip(spans, spans[1:], found, strict=False):
        assert middle - end == first - middle
    if len(spans) > 1:
        assert spans[0][0] - found[0][0] == min(spans[0][0], found[0][1] - spans[0][1])
        assert found[-1][1] - spans[-1][1] == min(at + behind - spans[-1][1], spans[-1][0] - found[-1][0])


def test_edges_of_none_and_of_one() -> None:
    assert edges([], 7) == []
    assert edges([(2, 3)], 7) == [(0.0, 7.0)]
    assert edges([(2, 3), (7, 9)], 20) == [(0.0, 5.0), (5.0, 11.0)]


@pytest.mark.parametrize("width", [5, 40, 41, 42, 43, 203])
@pytest.mark.parametrize("height", [9, 16, 100])
def test_boxes_lie_inside_the_line_one_after_the_other(width: int, height: int) -> None:
    for seed in range(3):
        (found,) = recognizer(seed=seed + 1).recognize([Pixels(scribble(width, height=height), left=1000, top=70)])
        assert "".join(character.symbol for character in found.characters) == found.text
        last = 1000.0
        for character in found.characters:
            left, top, right, bottom = character.box
            assert last <= left < right <= 1000 + width and (top, bottom) == (70, 70 + height)
            assert 0 < character.confidence <= 1
            last = right


def test_a_line_cut_from_a_page_has_its_boxes_in_the_page(tmp_path: Path) -> None:
    page = np.full((200, 400), 235, dtype=np.uint8)
    page[60:84, 50:170] = scribble(120)
    Image.fromarray(page).save(tmp_path / "page.png")
    polygon = ((50.0, 60.0), (169.9, 60.0), (169.9, 83.9), (50.0, 83.9))
    alone, cut = recognizer().recognize([scribble(120), Cutout(str(tmp_path / "page.png"), polygon)])
    assert cut.text == alone.text
    for one, other in zip(cut.characters, alone.characters, strict=True):
        assert one.box == pytest.approx([other.box[0] + 50, 60, other.box[2] + 50, 84])


class InkReader(RecognitionModel):
    """Says symbol 1 in every frame whose columns hold ink, the blank in every other; certain of it to 0.9."""

    @torch.no_grad()
    def forward(self, inputs: torch.Tensor, lengths: torch.Tensor) -> FrameScores:
        stride = self.frontend.stride
        columns = torch.nn.functional.pad(inputs.amax(dim=(1, 2)), (0, -inputs.shape[3] % stride))
        ink = columns.unflatten(1, (-1, stride)).amax(2) > 0.5
        probabilities = torch.full((*ink.shape, len(SYMBOLS) + 1), 0.1 / len(SYMBOLS))
        probabilities[..., 0] = torch.where(ink, 0.1 / len(SYMBOLS), 0.9)
        probabilities[..., 1] = torch.where(ink, 0.9, 0.1 / len(SYMBOLS))
        return FrameScores(probabilities.log(), (lengths + stride - 1) // stride)


@pytest.mark.parametrize("height", [16, 48])
def test_boxes_are_where_the_ink_is(height: int) -> None:
    checkpoint = tiny_recognizer()
    model = checkpoint.build()
    reader = Recognizer(model, checkpoint.alphabet, checkpoint.config)
    model.__class__ = InkReader
    factor = height // 16
    values = np.full((16, 120), 255, dtype=np.uint8)
    bars = [(20, 24), (40, 50), (84, 86)]
    for left, right in bars:
        values[2:14, left:right] = 0
    values = values.repeat(factor, axis=0).repeat(factor, axis=1)
    (found,) = reader.recognize([values])
    assert found.text == SYMBOLS[0] * 3
    bounds = [(12, 32), (32, 67), (67, 103)]  # half way between bars, and as far outside as inside
    for character, (left, right) in zip(found.characters, bounds, strict=True):
        assert character.box[0] == pytest.approx(left * factor, abs=factor)
        assert character.box[2] == pytest.approx(right * factor, abs=factor)
        assert (character.box[1], character.box[3]) == (0, height)
        assert character.confidence == pytest.approx(0.9)


def digits_place(count: int, *, paper: int = 40, air: int = 6) -> PenPlace:
    """Digits of two strokes each, 10 units wide and 10 apart, with so many columns on paper and then in the air."""
    columns = np.arange(count * (paper + air) - air)
    number, column = columns // (paper + air), columns % (paper + air)
    x = 20 * number + np.where(column < paper, 10 * column / (paper - 1), 10 + 10 * (column - paper + 1) / (air + 1))
    return PenPlace(np.stack([x, columns % 7], axis=1), (column < paper) & (column // 2 != paper // 4))


def test_boxes_of_strokes_end_where_the_pen_is_lifted() -> None:
    """A network of pen strokes says a digit at its very end: cut halfway to the next, a box held half of that too."""
    place = digits_place(3)
    for early in (-1, 0, 3, 6):  # frames of 4 columns before the last on paper; behind it, in the air, once
        spans = [(9 - early, 11 - early), (20 - early, 22 - early), (32 - max(early, 0), 33)]
        found = [place.box(*stretch) for stretch in place.stretches(spans, 33, stride=4)]
        assert [edge for box in found for edge in (box.left, box.right)] == pytest.approx([0, 10, 20, 30, 40, 50])
    joined = PenPlace(place.way, np.ones(len(place.way), dtype=bool))
    assert joined.stretches([(9, 10), (20, 22)], 33, stride=4) == [(0, 60), (60, 132)]
    assert place.stretches([], 33, stride=4) == []


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.lists(st.integers(0, 14), max_size=5, unique=True))
def test_whatever_the_pen_did_its_whole_way_is_shared_out(on_paper: list[bool], firsts: list[int]) -> None:
    generator = np.random.default_rng(len(on_paper))
    place = PenPlace(generator.normal(size=(len(on_paper), 2)), np.array([True, *on_paper[1:]]))
    frames = -(-len(on_paper) // 4)
    spans = [(first, first + 1) for first in sorted(firsts) if first < frames]
    found = place.stretches(spans, frames, stride=4)
    assert len(found) == len(spans)
    assert not found or (found[0][0], found[-1][1]) == (0, 4 * frames)
    assert all(one[1] == other[0] for one, other in pairwise(found))
    for (left, right), (first, _) in zip(found, spans, strict=True):
        assert left <= 4 * first <= right
        assert all(np.isfinite(place.box(left, right)))


def test_boxes_of_strokes_are_in_the_pens_own_units() -> None:
    points = pen(5)
    (found,) = recognizer(kind="strokes").recognize([points])
    drawn = np.concatenate(points.strokes)[:, :2]
    assert found.characters
    for character in found.characters:
        left, top, right, bottom = character.box
        assert drawn[:, 0].min() - 1e-3 <= left <= right <= drawn[:, 0].max() + 1e-3
        assert drawn[:, 1].min() - 1e-3 <= top <= bottom <= drawn[:, 1].max() + 1e-3
    assert found.characters[0].box.left < found.characters[-1].box.left


# --- the search


def frames(*rows: dict[str, float]) -> torch.Tensor:
    """Frames over " aeinrstœ", given by the probability of what is possible; "" is the blank."""
    table = torch.full((len(rows), len(SYMBOLS) + 1), 1e-9)
    for place, row in enumerate(rows):
        for symbol, probability in row.items():
            table[place, SYMBOLS.index(symbol) + 1 if symbol else 0] = probability
    return table.log()


UNSURE = frames({"t": 0.9, "": 0.1}, {"a": 0.45, "e": 0.55}, {"s": 0.9, "": 0.1})


def search(**options: Any) -> LineSearch:
    return LineSearch(CTCSearchConfig(**options), Alphabet(SYMBOLS), None)


def test_a_plain_line_confidence_is_the_probability_of_the_text_over_all_its_paths() -> None:
    (reading,) = search().readings(UNSURE)
    assert reading.text == "tes"
    assert reading.line_confidence == pytest.approx(0.9 * 0.55 * 0.9, rel=1e-5)
    assert reading.confidence == pytest.approx((0.9 * 0.55 * 0.9) ** (1 / 3), rel=1e-5)  # a character's, on average
    assert reading.score == reading.log_likelihood == pytest.approx(np.log(reading.line_confidence))
    two_paths = frames(
        {"a": 0.4, "": 0.6}, {"a": 0.6, "": 0.4}
    )  # "a": 0.24 + 0.16 + 0.36, though "" and "aa" are paths
    (reading,) = search(beam_size=4).readings(two_paths)
    assert (reading.text, reading.line_confidence) == ("a", pytest.approx(0.76, rel=1e-5))


def test_a_language_model_chooses_and_leaves_a_plain_confidence_alone() -> None:
    model = arpa_bytes(estimate(["tas", "tas ras", "as tas"] * 5, 3))
    options = CTCSearchConfig(beam_size=8, nbest=8, language_weight=1.0)
    best, *others = LineSearch(options, Alphabet(SYMBOLS), model).readings(UNSURE)
    assert best.text == "tas" and best.line_confidence == pytest.approx(0.9 * 0.45 * 0.9, rel=1e-5)
    assert [one.score for one in others] == sorted((one.score for one in others), reverse=True)
    (tes,) = (one for one in others if one.text == "tes")
    assert tes.confidence > best.confidence and tes.score < best.score
    weights = {"language_weight": 0.0, "insertion_bonus": 5.0}
    longer = LineSearch(options.model_copy(update=weights), Alphabet(SYMBOLS), model).readings(UNSURE)[0]
    assert longer.text == "tes" and longer.score == pytest.approx(longer.log_likelihood + 15.0)


def test_the_evidence_of_a_text_is_what_the_search_weighed() -> None:
    """log p of the language model, the end included, and the text's share among the first of the beam."""
    model = arpa_bytes(estimate(["tas", "tas ras", "as tas"] * 5, 3))
    options = CTCSearchConfig(beam_size=16, nbest=16, language_weight=0.7, insertion_bonus=0.4)
    chooser = LineSearch(options, Alphabet(SYMBOLS), model)
    found = chooser.candidates(UNSURE)
    assert chooser.scorer is not None and len(found) > COMPARED
    whole = sum(np.exp(one.score) for one in found[:COMPARED])
    for one in found:
        ids = Alphabet(SYMBOLS).encode(one.text)
        assert one.evidence.language == pytest.approx(language_log_probability(chooser.scorer, ids))
        assert np.exp(one.evidence.rivals) == pytest.approx(np.exp(one.score) / whole)
        assert one.evidence.length == len(one.text)
    (alone,) = search(beam_size=16).candidates(frames({"a": 1.0}))[:1]
    assert alone.evidence == (pytest.approx(0.0, abs=1e-6), 1, 0.0, pytest.approx(0.0, abs=1e-6))


def test_a_language_model_comes_from_the_checkpoint_or_from_a_file_that_is_named(tmp_path: Path) -> None:
    texts = {"a": ["aaa"] * 9, "e": ["eee"] * 9}
    for name, lines in texts.items():
        write_arpa(estimate(lines, 2), tmp_path / f"{name}.arpa")
    own = (tmp_path / "a.arpa").read_bytes()
    either = frames({"a": 0.5, "e": 0.5})
    options = CTCSearchConfig(beam_size=4, language_weight=1.0, language_model=str(tmp_path / "e.arpa"))
    assert LineSearch(options, Alphabet(SYMBOLS), own).readings(either)[0].text == "a"
    assert LineSearch(options, Alphabet(SYMBOLS), None).readings(either)[0].text == "e"
    path = write_tiny_recognizer(tmp_path / "x.ckpt", language_model=own, search={"beam_size": 4})
    stored = Recognizer.from_checkpoint(path, device="cpu")
    named = Recognizer.from_checkpoint(path, device="cpu", search={"language_model": str(tmp_path / "e.arpa")})
    assert stored._search.readings(either)[0].text == "a" and stored.has_language_model
    assert named._search.readings(either)[0].text == "e"
    with pytest.raises(DataError, match=r"nowhere\.arpa"):
        Recognizer.from_checkpoint(path, device="cpu", search={"language_model": str(tmp_path / "nowhere.arpa")})


def test_a_lexicon_allows_its_words_and_what_stands_between_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "words.txt"
    path.write_text("tas\nras\nqqq\n\nas\n", encoding="utf-8")
    (reading, *_) = search(beam_size=8, lexicon=str(path)).readings(UNSURE)
    assert reading.text == "tas" and "1 of 4 words cannot be spelled here" in caplog.text
    lexicon = read_lexicon(path, Alphabet("as-'r t"))
    assert lexicon.separators == {3, 4, 6}  # "-", "'" and the space
    path.write_text("r-as")
    assert read_lexicon(path, Alphabet("as-'r t")).separators == {4, 6}  # "-" is spelled with


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"qqq\n", "none of 1 words"), (b"", "none of 0 words"), (b"\xff", "not UTF-8"), (b"tas ras\n", "one a line")],
)
def test_a_lexicon_of_no_use_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"words\.txt: .*{problem}"):
        search(beam_size=2, lexicon=str(tmp_path / "words.txt"))
    with pytest.raises(DataError, match=r"nowhere: cannot read the lexicon"):
        search(beam_size=2, lexicon=str(tmp_path / "nowhere"))


def test_a_call_may_search_otherwise() -> None:
    reader, lines = recognizer(), LINES["image"]()[:2]
    beam = reader.recognize(lines, search=CTCSearchConfig(**BEAM))
    assert [len(found.nbest) for found in beam] == [3, 3]
    for greedy, found in zip(reader.recognize(lines, alignment=False), beam, strict=True):
        assert len(greedy.nbest) == 1 and not greedy.characters
        assert found.log_likelihood >= greedy.log_likelihood - 1e-9  # the beam finds what is likelier over all paths
        assert found.log_likelihood == max(reading.log_likelihood for reading in found.nbest)


def test_a_search_is_made_once_for_all_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """`evaluate-lines` reads 64 lines at a time, and read the language model anew for each 64."""
    reader, lines = recognizer(), LINES["image"]()[:2]
    made: list[CTCSearchConfig] = []

    def counted(search: CTCSearchConfig, *rest: Any) -> LineSearch:
        made.append(search)
        return LineSearch(search, *rest)

    monkeypatch.setattr("nmt.inference.recognizer.LineSearch", counted)
    beam, wider = CTCSearchConfig(**BEAM), CTCSearchConfig(**{**BEAM, "beam_size": 7})
    for search in (reader.search, beam, CTCSearchConfig(**BEAM), None, wider):
        reader.recognize(lines, search=search)
    assert made == [beam, wider]


# --- what training saves


def test_from_checkpoint_reads_what_was_written(tmp_path: Path) -> None:
    path = write_tiny_recognizer(tmp_path / "a.ckpt", search={"beam_size": 3})
    reader = nmt.Recognizer.from_checkpoint(path, device="cpu", search={"nbest": 2}, batch_columns=77)
    assert (reader.search.beam_size, reader.search.nbest, reader.config.data.batch_columns) == (3, 2, 77)
    assert isinstance(reader, Recognizer) and not reader.model.training
    lines = LINES["image"]()
    expected = recognizer(search={"beam_size": 3, "nbest": 2}).recognize(lines)
    assert all(same(one, other) for one, other in zip(reader.recognize(lines), expected, strict=True))
    with pytest.raises(ConfigError, match=r"search\.beam_size 0"):
        Recognizer.from_checkpoint(path, search={"beam_size": 0})
    with pytest.raises(ConfigError, match=r"search\.beem"):
        Recognizer.from_checkpoint(path, search={"beem": 0})
    with pytest.raises(ConfigError, match="device 'gpu' is unknown"):
        Recognizer.from_checkpoint(path, device="gpu")
    with pytest.raises(CheckpointError, match=r"b\.ckpt: no such file"):
        Recognizer.from_checkpoint(tmp_path / "b.ckpt")


def test_recognising_needs_no_lightning_and_no_datasets(tmp_path: Path) -> None:
    path, image = write_tiny_recognizer(tmp_path / "a.ckpt"), write_scribble(tmp_path / "line.png", 60)
    code = (
        f"import sys, nmt; nmt.Recognizer.from_checkpoint({str(path)!r}).recognize([{str(image)!r}]);"
        " print([m for m in ('pytorch_lightning', 'wandb', 'datasets', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- a language model of any kind


class Neural:
    """A recurrent language model at the seam: its state holds the hidden vector and what it computed from it."""

    def __init__(self, symbols: int) -> None:
        torch.manual_seed(5)
        self.cell, self.output = torch.nn.GRUCell(symbols, 6), torch.nn.Linear(6, symbols)
        self.symbols = symbols

    def start(self) -> tuple[torch.Tensor, list[float]]:
        return self._state(0, torch.zeros(1, 6))

    def extend(self, state: tuple[torch.Tensor, list[float]], symbol: int) -> tuple[float, Any]:
        return state[1][symbol], self._state(symbol, state[0])

    def finish(self, state: tuple[torch.Tensor, list[float]]) -> float:
        return state[1][0]  # no text holds the blank, so its place is the end's

    @torch.no_grad()
    def _state(self, symbol: int, hidden: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
        one_hot = torch.nn.functional.one_hot(torch.tensor([symbol]), self.symbols).float()
        hidden = self.cell(one_hot, hidden)
        return hidden, (8 * self.output(hidden)).log_softmax(dim=1)[0].tolist()


def test_a_neural_language_model_is_asked_in_place_of_the_n_grams() -> None:
    checkpoint = tiny_recognizer(search={**BEAM, "language_weight": 2.0})
    model, alphabet, config = checkpoint.build(), checkpoint.alphabet, checkpoint.config
    scorer = Neural(len(alphabet))
    ngrams = arpa_bytes(estimate(["inert", "astre"], 2))
    alone = Recognizer(model, alphabet, config)
    with_ngrams = Recognizer(model, alphabet, config, language_model=ngrams)
    neural = Recognizer(model, alphabet, config, language_model=ngrams, scorer=scorer)
    assert neural.has_language_model and not alone.has_language_model
    lines = [scribble(width) for width in WIDTHS]
    found = neural.recognize(lines, alignment=False)
    texts = [[one.text for one in reader.recognize(lines, alignment=False)] for reader in (alone, with_ngrams)]
    assert [one.text for one in found] not in texts
    for log_probs, recognition in zip(neural.frame_scores(lines), found, strict=True):
        state, language = scorer.start(), 0.0
        for symbol in alphabet.encode(recognition.text):
            log_p, state = scorer.extend(state, symbol)
            language += log_p
        if len(log_probs):
            expected = recognition.log_likelihood + 2.0 * (language + scorer.finish(state))
            assert recognition.nbest[0].score == pytest.approx(expected, abs=1e-4)
    assert [one.text for one in neural.recognize(lines, search=neural.search)] == [one.text for one in found]


def test_a_path_alone_is_no_list_of_lines() -> None:
    """It was read letter by letter: `/: is not a file`."""
    with pytest.raises(DataError, match=r"a list of lines; give \['/some/line.png'\]"):
        recognizer().recognize("/some/line.png")


def test_what_is_no_line_is_said(tmp_path: Path) -> None:
    """`'int' object has no attribute 'read'` told nobody what to give. Types are checked in this process."""
    file = write_tiny_recognizer(tmp_path / "tiny.ckpt")
    program = (
        "import sys; from nmt import Recognizer; from nmt.errors import DataError\n"
        "reader = Recognizer.from_checkpoint(sys.argv[1], device='cpu')\n"
        "for given in (3, None, ['a.png']):\n"
        "    try: reader.recognize([given])\n"
        "    except DataError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert [line.split(" is no line; give a path")[0] for line in said] == ["a int", "a NoneType", "a list"]
