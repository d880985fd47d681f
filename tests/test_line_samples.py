"""Samples of a recogniser: the same lines each time, letters at the frames that say them, differences as they are."""

import io
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_recognizer import write_scribble

from nmt.config.lines import LinesConfig
from nmt.data.lines.corpus import LineCorpus
from nmt.data.lines.line import Points
from nmt.data.lines.prepare import prepare_lines
from nmt.data.lines.strokes import walk_of
from nmt.search.ctc import collapse
from nmt.search.forced_alignment import align
from nmt.text.alphabet import Alphabet
from nmt.training.recognition.pictures import (
    COLOURS,
    GAP,
    NOBODY,
    STRIP,
    AlignedLine,
    Letter,
    alignment_png,
    alignment_svg,
)
from nmt.training.recognition.samples import FramePath, choose_lines, differences, frame_path, letters_of, sample_lines
from nmt.training.watching.samples import samples_page, samples_table

ALPHABET = Alphabet("<abc")
HEIGHT = 24  # as scribbles are


def path_of(symbols: list[int]) -> FramePath:
    sure = np.full(len(symbols), 0.75, dtype=np.float32)
    return FramePath(np.array(symbols, dtype=np.int64), 1 - sure, sure)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> LineCorpus:
    """Twelve lines, ever longer, of three writers, one after the other."""
    folder = tmp_path_factory.mktemp("lines")
    rows = ["file\twriter\ttext"]
    for number in range(12):
        write_scribble(folder / f"{number}.png", 40 + 4 * number, seed=number)
        rows.append(f"{number}.png\tw{number // 4}\t{'<abc'[number % 4]}b")
    (folder / "lines.tsv").write_text("\n".join(rows), encoding="utf-8")
    config = LinesConfig.model_validate({"validation": str(folder), "leaks": "off"})
    prepared = prepare_lines(
        config, height=HEIGHT, colour="grey", kind="image", frames_of=lambda x: -(-x // 4), alphabet=ALPHABET
    )
    assert prepared.validation is not None
    return prepared.validation


def test_lines_are_spread_over_lengths_and_writers_and_the_same_every_time(corpus: LineCorpus) -> None:
    lengths, writers = corpus.lengths.tolist(), [corpus.writer(i) for i in range(len(corpus))]
    chosen = choose_lines(lengths, writers, count=6)
    assert chosen == choose_lines(lengths, writers, count=6)
    spread = [lengths[i] for i in chosen]
    assert spread == sorted(spread) and all(right - left <= 12 for left, right in pairwise(spread))
    assert {[writers[i] for i in chosen].count(writer) for writer in ("w0", "w1", "w2")} == {2}
    assert sorted(choose_lines(lengths, writers, count=50)) == list(range(12))


def test_a_writer_seen_already_gives_way_to_another() -> None:
    assert choose_lines([6, 5, 4, 3, 2, 1], list("baaaaa"), count=2) == (4, 0)
    assert choose_lines([6, 5, 4, 3, 2, 1], [""] * 6, count=2) == (4, 1)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 4), max_size=12))
def test_letters_stand_at_the_frames_that_say_them(symbols: list[int]) -> None:
    letters = letters_of(path_of(symbols), ALPHABET)
    assert "".join(letter.symbol for letter in letters) == ALPHABET.decode(collapse(symbols))
    again = [0] * len(symbols)
    for letter in letters:
        again[letter.start : letter.end] = ALPHABET.encode(letter.symbol) * (letter.end - letter.start)
    assert again == symbols
    assert all(letter.certain == 0.75 for letter in letters)


def test_letters_of_scores_are_where_the_forced_alignment_has_them() -> None:
    log_probs = (3 * torch.randn(30, len(ALPHABET))).log_softmax(dim=1)
    path = frame_path(log_probs)
    letters = letters_of(path, ALPHABET)
    ids = ALPHABET.encode("".join(letter.symbol for letter in letters))
    assert [(letter.start, letter.end) for letter in letters] == [tuple(span) for span in align(log_probs, ids).spans]
    probabilities = log_probs.exp().numpy()
    np.testing.assert_allclose(path.blank, probabilities[:, 0], rtol=1e-5)
    np.testing.assert_allclose(path.symbol, probabilities[:, 1:].max(axis=1), rtol=1e-5)
    for letter, number in zip(letters, ids, strict=True):
        assert letter.certain == pytest.approx(probabilities[letter.start : letter.end, number].max(), rel=1e-5)


@pytest.mark.parametrize(
    ("truth", "reading", "shown"),
    [
        ("abc", "abc", "abc"),
        ("abc", "axc", "a<del>b</del><ins>x</ins>c"),
        ("ab cd", "abcd", "ab<del>␣</del>cd"),
        ("ab", "aab", "a<ins>a</ins>b"),
        ("", "ab", "<ins>ab</ins>"),
        ("abc", "", "<del>abc</del>"),
        ("a<b", "a<i>", "a&lt;<del>b</del><ins>i&gt;</ins>"),
    ],
)
def test_differences(truth: str, reading: str, shown: str) -> None:
    found = differences(truth, reading)
    assert found.count("<del>") == shown.count("<del>") and found.count("<ins>") == shown.count("<ins>")
    assert without("ins", found) == without("ins", shown) and without("del", found) == without("del", shown)


def without(tag: str, html: str) -> str:
    """The text that is left when a mark and all in it is gone."""
    return re.sub("</?(ins|del)>", "", re.sub(f"<{tag}>.*?</{tag}>", "", html))


@settings(max_examples=60)
@given(*[st.text("abc <", max_size=9).map(lambda text: " ".join(text.split()))] * 2)
def test_without_what_is_marked_truth_and_reading_are_left(truth: str, reading: str) -> None:
    marked = differences(truth, reading)
    escaped = [text.replace("<", "&lt;") for text in (truth, reading)]
    assert [without(tag, marked).replace("␣", " ") for tag in ("ins", "del")] == escaped


def image_line(letters: tuple[Letter, ...], *, columns: int = 30, stride: int = 4) -> AlignedLine:
    frames = -(-columns // stride)
    blank = np.linspace(1, 0, frames, dtype=np.float32)
    return AlignedLine(np.full((HEIGHT, columns), 200, dtype=np.uint8), stride, blank, 1 - blank, letters)


LETTERS = (Letter("a", 1, 2, 0.5), Letter("<", 4, 6, 1.0))


def test_an_svg_has_every_letter_at_its_columns() -> None:
    root = ElementTree.fromstring(alignment_svg(image_line(LETTERS)))
    space = {"s": "http://www.w3.org/2000/svg"}
    texts = root.findall(".//s:text", space)
    assert [(text.text, float(text.get("x", ""))) for text in texts] == [("a", 6.0), ("<", 20.0)]
    bars = root.findall(".//s:rect", space)
    assert [(float(b.get("x", "")), float(b.get("width", ""))) for b in bars] == [(4.0, 4.0), (16.0, 8.0)]
    titles = [title.text for title in root.findall(".//s:title", space)]
    assert titles[1:] == ["a in frames 1 to 1, at most 0.50", "< in frames 4 to 5, at most 1.00"]
    seen, heat = root.findall(".//s:image", space)
    assert (seen.get("width"), heat.get("width")) == ("30.0", "32.0")  # 8 frames of 4 columns reach beyond 30


def test_a_png_has_the_image_the_probabilities_and_every_letter_at_its_columns() -> None:
    with Image.open(io.BytesIO(alignment_png(image_line(LETTERS), scale=2))) as image:
        pixels = np.asarray(image)
    assert pixels.shape[1] == 64 and (pixels[: 2 * HEIGHT, :60] == 200).all()
    top = 2 * (HEIGHT + int(GAP))
    blank, symbol = pixels[top + 2, ::8, 0], pixels[top + 2 + 2 * int(STRIP), ::8, 0]
    assert blank[0] == 90 and blank[-1] == 255 and (np.diff(blank.astype(int)) > 0).all()
    assert symbol[0] == 255 and symbol[-1] == 10
    bar = pixels[top + 4 * int(STRIP) + 1]
    first, second = (np.all(bar == [int(colour[i : i + 2], 16) for i in (1, 3, 5)], axis=1) for colour in COLOURS)
    assert first.nonzero()[0].tolist() == list(range(8, 16)) and second.nonzero()[0].tolist() == list(range(32, 48))


def test_strokes_take_the_colours_of_their_letters() -> None:
    """Two strokes, far apart, each read as a letter: every point of each in one colour."""
    strokes = tuple(np.array([[x, 0, 0], [x, 10, 9]], dtype=np.float32) for x in (0.0, 10.0))
    walk = walk_of(Points(strokes))
    columns = len(walk.places)
    blank = np.zeros(columns, dtype=np.float32)
    letters = (Letter("a", 2, 3, 1.0), Letter("b", columns - 3, columns - 2, 1.0))
    for drawn, colours in ((letters, list(COLOURS)), ((), [NOBODY] * 2)):
        svg = alignment_svg(AlignedLine(walk, 1, blank, blank, drawn))
        ways = ElementTree.fromstring(svg).findall(".//{http://www.w3.org/2000/svg}polyline")
        assert [way.get("stroke") for way in ways] == colours
        points = [np.array([p.split(",") for p in way.get("points", "").split()], dtype=float) for way in ways]
        assert sum(map(len, points)) == walk.on_paper.sum()
        assert all(np.ptp(one[:, 0]) == 0 for one in points) and points[1][0, 0] > points[0][0, 0] + 20
    assert alignment_png(AlignedLine(walk, 1, blank, blank, letters)).startswith(b"\x89PNG")


def test_a_stroke_of_two_letters_is_cut_where_they_meet_and_stays_one_way() -> None:
    walk = walk_of(Points((np.array([[0, 0, 0], [40, 10, 9]], dtype=np.float32),)))
    half = len(walk.places) // 2
    blank = np.zeros(2 * half, dtype=np.float32)
    line = AlignedLine(walk, 1, blank, blank, (Letter("a", 0, half, 1.0), Letter("b", half, 2 * half, 1.0)))
    ways = ElementTree.fromstring(alignment_svg(line)).findall(".//{http://www.w3.org/2000/svg}polyline")
    first, second = (way.get("points", "").split() for way in ways)
    assert len(first) == half + 1 and first[-1] == second[0]


def test_a_table_and_a_page_tell_of_every_line(corpus: LineCorpus) -> None:
    chosen = choose_lines(corpus.lengths.tolist(), [corpus.writer(i) for i in range(len(corpus))])
    paths = {i: path_of([frame for symbol in corpus.targets(i).tolist() for frame in (symbol, 0)]) for i in chosen}
    paths[chosen[0]] = path_of([0, 0, 0])
    samples = sample_lines(corpus, paths, kind="image", stride=4)
    rows = [line.split("\t") for line in samples_table(samples).splitlines()]
    assert rows[0] == ["line", "writer", "truth", "reading", "cer"]
    assert [row[2] for row in rows[1:]] == [corpus.text(i) for i in chosen]
    assert [row[4] for row in rows[1:]] == ["100.00", *["0.00"] * 7] and rows[1][3] == ""
    page = samples_page(samples, step=1200)
    assert page.count("<svg") == 8 and "after step 1,200" in page
    assert page.count("in grey how probable a blank is") == 1 and page.index("in grey") < page.index("<article")
    assert all(Path(corpus.name(i)).name in page for i in chosen)
    assert "<b" not in page.replace("<body", "").replace("<br", "")  # the transcript "<b" is a text
    assert samples[1].picture().caption.startswith(samples[1].truth)
