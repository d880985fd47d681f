"""Prepared lines: what is good is kept as it is, what is bad is counted with its reason, nothing is made up."""

import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nmt.config.lines import AugmentationConfig, LinesConfig
from nmt.data.lines.leaks import Split, find_leaks
from nmt.data.lines.picture import ImageFile, scaled
from nmt.data.lines.prepare import LineCorpora, prepare_lines
from nmt.errors import DataError
from nmt.text.alphabet import Alphabet, minimum_frames

HEIGHT = 16


def line_image(path: Path, width: int, seed: int = 0) -> None:
    values = np.full((HEIGHT * 2, width * 2), 240, dtype=np.uint8)
    values[8:24, 4:-4:3] = np.random.default_rng(seed).integers(0, 90, (16, len(range(4, width * 2 - 4, 3))))
    Image.fromarray(values).save(path)


def folder(path: Path, rows: list[tuple[str, str, str, int]]) -> str:
    """A table of (file, writer, text, width), and its images where the width is not 0."""
    path.mkdir(parents=True, exist_ok=True)
    for number, (file, _, _, width) in enumerate(rows):
        if width:
            line_image(path / file, width, number)
    table = "".join(f"{file}\t{writer}\t{text}\n" for file, writer, text, _ in rows)
    (path / "lines.tsv").write_text("file\twriter\ttext\n" + table, encoding="utf-8")
    return str(path)


def halved(columns: int) -> int:
    """Frames of a front-end of stride 4 that needs 3 columns at least."""
    return max(0, (columns - 3) // 4 + 1)


def prepare(config: dict[str, Any], **options: Any) -> LineCorpora:
    given: dict[str, Any] = {"height": HEIGHT, "colour": "grey", "kind": "image", "frames_of": halved} | options
    return prepare_lines(LinesConfig.model_validate({"leaks": "off"} | config), **given)


GOOD = [("a.png", "Anna", "ab", 40), ("b.png", "Bert", "bba", 40), ("c.png", "", "a  b", 60)]


class TestGoodLines:
    def test_a_line_is_its_scaled_image_and_its_ids(self, tmp_path: Path) -> None:
        corpora = prepare({"train": folder(tmp_path, GOOD)})
        corpus = corpora.train
        assert corpora.alphabet.symbols == (" ", "a", "b") and len(corpus) == 3 and not corpus.bad
        assert corpus.texts == ("ab", "bba", "a b") and corpus.text(2) == "a b"
        assert [corpus.writer(index) for index in range(3)] == ["Anna", "Bert", ""]
        assert corpus.name(1) == corpus.origin(1) == f"{tmp_path}/b.png"
        assert corpus.targets(1).tolist() == [3, 3, 2] and corpus.targets(1).dtype == np.int64
        assert corpus.lengths.tolist() == [40, 40, 60] and corpus.lengths.dtype == np.int32
        assert corpus.target_lengths.tolist() == [2, 3, 3]
        for index, (file, _, _, width) in enumerate(GOOD):
            expected = scaled(ImageFile(str(tmp_path / file)).read(), HEIGHT, "grey")
            np.testing.assert_array_equal(corpus.input(index), expected)
            assert corpus.input(index).shape == (1, HEIGHT, width)

    def test_what_is_not_kept_in_memory_is_the_same(self, tmp_path: Path) -> None:
        config = {"train": folder(tmp_path, GOOD)}
        kept, read = prepare(config).train, prepare(config | {"memory_megabytes": 0}).train
        for index in range(3):
            np.testing.assert_array_equal(kept.input(index), read.input(index))
        line_image(tmp_path / "b.png", 41)
        assert kept.input(1).shape[2] == 40
        with pytest.raises(DataError, match=r"b\.png: has 41 columns and had 40 when it was prepared"):
            read.input(1)

    def test_workers_read_the_same(self, tmp_path: Path) -> None:
        corpus = prepare({"train": folder(tmp_path, GOOD), "memory_megabytes": 0}).train
        sent = pickle.loads(pickle.dumps(corpus))
        np.testing.assert_array_equal(sent.input(2), corpus.input(2))

    def test_colours_are_kept_where_wanted(self, tmp_path: Path) -> None:
        corpus = prepare({"train": folder(tmp_path, GOOD)}, colour="rgb").train
        assert corpus.input(0).shape == (3, HEIGHT, 40)

    def test_texts_are_normalised(self, tmp_path: Path) -> None:
        rows = [("a.png", "", "e\u0301", 40), ("b.png", "", "ﬁ", 40)]
        assert prepare({"train": folder(tmp_path, rows)}).train.texts == ("é", "ﬁ")
        assert prepare({"train": folder(tmp_path, rows), "normalization": "nfkc"}).train.texts == ("é", "fi")

    def test_names_are_unique(self, tmp_path: Path) -> None:
        corpora = prepare({"train": folder(tmp_path, [*GOOD, ("a.png", "Anna", "other", 40)])})
        assert [corpora.train.name(index) for index in (0, 3)] == [f"{tmp_path}/a.png", f"{tmp_path}/a.png (2)"]
        assert "1 names stand twice" in str(corpora.report)

    def test_a_varied_line_has_frames_enough(self, tmp_path: Path) -> None:
        corpora = prepare({"train": folder(tmp_path, [("a.png", "", "aabbaabb", 50), *GOOD])})
        strong = AugmentationConfig.model_validate({"image": {"stretch": 0.5}})
        needed = minimum_frames(corpora.train.targets(0).tolist())
        widths = set()
        for seed in range(20):
            varied = corpora.train.varied_input(0, strong, np.random.default_rng(seed))
            assert varied.dtype == np.float32 and varied.shape[:2] == (1, HEIGHT)
            assert halved(varied.shape[2]) >= needed
            widths.add(varied.shape[2])
        assert len(widths) > 5 and min(widths) < 50

    def test_the_fewest_columns_are_exact(self, tmp_path: Path) -> None:
        """A line of one column less would have too few frames."""
        rows = [(f"{number}.png", "", "a" * number, 90) for number in range(1, 9)]
        corpus = prepare({"train": folder(tmp_path, rows)}).train
        for index, text in enumerate(corpus.texts):
            needed = 2 * len(text) - 1
            expected = next(columns for columns in range(1, 91) if halved(columns) >= needed)
            assert corpus.minimum_columns[index] == expected

    @settings(max_examples=25)
    @given(width=st.integers(4, 60), length=st.integers(1, 12))
    def test_a_line_is_good_exactly_where_its_frames_spell_it(
        self, tmp_path_factory: pytest.TempPathFactory, width: int, length: int
    ) -> None:
        text = ("aab" * length)[:length]
        path = tmp_path_factory.mktemp("lines")
        corpora = prepare({"train": folder(path, [("a.png", "", text, width), ("b.png", "", "ab", 60)])})
        needed = length + sum(x == y for x, y in itertools.pairwise(text))
        assert (len(corpora.train) == 2) == (halved(width) >= needed)
        assert len(corpora.train) + len(corpora.train.bad) == 2


class TestBadLines:
    def rows(self, path: Path) -> str:
        name = folder(
            path,
            [
                *GOOD,
                ("missing.png", "Anna", "ab", 0),
                ("broken.png", "Anna", "ab", 0),
                ("silent.png", "Cleo", "  ", 40),
                ("narrow.png", "Cleo", "abbab", 20),
                ("wide.png", "Cleo", "ab", 300),
            ],
        )
        whole = (path / "a.png").read_bytes()
        (path / "broken.png").write_bytes(whole[: len(whole) // 2])
        return name

    def test_each_is_named_with_its_reason(self, tmp_path: Path) -> None:
        corpora = prepare({"train": self.rows(tmp_path), "max_columns": 200})
        reasons = [bad.reason.removeprefix(f"{tmp_path}/") for bad in corpora.train.bad]
        assert reasons[0] == "missing.png: no such file"
        assert reasons[1].startswith("broken.png: is a damaged image")
        assert reasons[2] == "silent.png: has an empty transcript"
        assert reasons[3] == (
            "narrow.png: 5 frames cannot spell 5 symbols (with blanks between equal ones: 6); "
            "widen the image or lower the front-end's stride (4)"
        )
        assert reasons[4] == "wide.png: 300 columns; data.max_columns allows 200"
        assert [(bad.text, bad.writer) for bad in corpora.train.bad[2:4]] == [("", "Cleo"), ("abbab", "Cleo")]
        assert len(corpora.train) == 3 and corpora.contents["train"]["pairs"] == 3
        report = str(corpora.report)
        assert "train: 3 lines of 2 writers, 3 different characters" in report
        assert "2 bad, unreadable:" in report and "1 bad, too few frames:" in report
        assert corpora.report.to_dict()["splits"]["train"]["bad"] == {
            **{"unreadable": 2, "transcript": 1},
            **{"frames": 1, "long": 1},
        }

    def test_evaluation_counts_what_the_alphabet_cannot_spell(self, tmp_path: Path) -> None:
        held_out = folder(tmp_path / "val", [("x.png", "Z", "abç", 60), ("y.png", "Z", "ab", 3000)])
        corpora = prepare({"train": folder(tmp_path / "train", GOOD), "validation": held_out, "max_columns": 100})
        assert corpora.validation is not None and corpora.validation.texts == ("ab",)  # long lines are read
        [bad] = corpora.validation.bad
        assert bad.text == "abç" and "x.png: not in the alphabet of 3 characters: 'ç' (U+00E7, LATIN" in bad.reason

    def test_a_given_alphabet_is_kept(self, tmp_path: Path) -> None:
        alphabet = Alphabet("ab")
        corpora = prepare({"train": folder(tmp_path, GOOD)}, alphabet=alphabet)
        assert corpora.alphabet == alphabet and len(corpora.train) == 2 and len(corpora.train.bad) == 1

    def test_without_a_line_there_is_no_training(self, tmp_path: Path) -> None:
        source = folder(tmp_path, [("a.png", "", "ab", 0), ("b.png", "", "", 40)])
        for alphabet in (None, Alphabet("ab")):
            with pytest.raises(DataError, match=r"(?s)no line can be trained on:.*1 bad, unreadable:.*no transcript"):
                prepare({"train": source}, alphabet=alphabet)
        with pytest.raises(DataError, match="no training lines; give --data.train"):
            prepare({})

    def test_without_a_line_there_is_no_validation_either(self, tmp_path: Path) -> None:
        """Else a run would wait for scores that never come, and keep no best checkpoint."""
        given = {
            "train": folder(tmp_path / "train", GOOD),
            "validation": folder(tmp_path / "val", [("a.png", "", "z", 9)]),
        }
        with pytest.raises(
            DataError, match=r"(?s)no line can be validated with .*1 bad, character outside the alphabet"
        ):
            prepare(given)

    def test_strokes_for_an_image_model_are_bad(self, tmp_path: Path) -> None:
        path = tmp_path / "s.jsonl"
        path.write_text('{"strokes": [[[0, 0], [9, 9]]], "text": "a"}')
        with pytest.raises(DataError, match=r"is pen strokes, but the model reads images; set model\.frontend\.kind"):
            prepare({"train": str(path)})


class TestSplits:
    def test_evaluation_alone_needs_an_alphabet(self, tmp_path: Path) -> None:
        tests = [folder(tmp_path / name, GOOD) for name in ("first", "second")]
        config = {"test": [*tests, f"{tests[0]}/lines.tsv"]}
        corpora = prepare(config, alphabet=Alphabet(" ab"))
        assert list(corpora.tests) == ["first", "second", "first-2"]
        assert len(corpora.train) == 0 and corpora.validation is None and len(corpora.tests["second"]) == 3

    def test_contents_tell_a_changed_corpus(self, tmp_path: Path) -> None:
        config = {"train": folder(tmp_path / "train", GOOD)}
        before = prepare(config).contents["train"]["files"]
        assert list(before) == [str(tmp_path / "train")]
        assert prepare(config, height=8).contents["train"]["files"] == before  # the model is not the corpus
        line_image(tmp_path / "train" / "a.png", 40, seed=9)
        assert prepare(config).contents["train"]["files"] != before

    def test_strokes_become_features(self, tmp_path: Path) -> None:
        from nmt.data.lines.line import Points
        from nmt.data.lines.strokes import stroke_features

        strokes = [np.array([[0, 0, 0], [30, 40, 9], [60, 0, 20]], dtype=np.float32)]
        path = tmp_path / "s.jsonl"
        rows = ['{"strokes": [[[0, 0, 0], [30, 40, 9], [60, 0, 20]]], "text": "ab"}', '{"strokes": [], "text": "b"}']
        path.write_text("\n".join(rows))
        corpus = prepare({"train": str(path)}, kind="strokes").train
        np.testing.assert_array_equal(corpus.input(0), stroke_features(Points(tuple(strokes))))
        assert corpus.lengths[0] == corpus.input(0).shape[2] and len(corpus.bad) == 1
        varied = corpus.varied_input(0, AugmentationConfig(), np.random.default_rng(0))
        assert varied.shape[:2] == corpus.input(0).shape[:2] and varied.shape != corpus.input(0).shape


class TestLeaks:
    TEXT = "Le Mauvoisin est un cours d'eau français"

    def leaks(self, *splits: tuple[list[str], list[str]]) -> list[str]:
        return find_leaks([Split(name, *split) for name, split in zip(("train", "val", "test"), splits, strict=False)])

    def test_writers_are_found(self) -> None:
        [leak] = self.leaks((["a", "b"], ["Anna", ""]), (["c", "d", "e"], ["Anna", "", "Anna"]))
        assert leak == "train and val share 1 writer of 2 lines: 'Anna'"

    def test_equal_texts_are_found_whatever_their_spelling(self) -> None:
        [leak] = self.leaks(([self.TEXT], [""]), ([self.TEXT.upper() + " !", "something else altogether"], ["", ""]))
        assert leak.startswith("train and val share 1 text of 1 line: 'le mauvoisin est")

    def test_short_texts_come_up_everywhere(self) -> None:
        assert not self.leaks((["1984", "Québec."], ["", ""]), (["1984", "Québec."], ["", ""]))

    @pytest.mark.parametrize(
        ("other", "found"),
        [
            (TEXT.replace("Mauvoisin", "Mauvoizin"), True),
            (TEXT + " de", True),
            (TEXT[3:], True),
            ("La Loire est un fleuve qui coule en France", False),
            ("Un cours d'eau est long", False),
        ],
    )
    def test_nearly_equal_texts_are_found(self, other: str, found: bool) -> None:
        leaks = self.leaks(([self.TEXT, "filler text that is long enough"], ["", ""]), ([other], [""]))
        assert [leak.split(":")[0] for leak in leaks] == ["train and val share 1 nearly equal text"] * found

    @given(st.lists(st.text("abc", min_size=12, max_size=40), max_size=12), st.integers(0, 11))
    def test_all_near_pairs_are_found(self, texts: list[str], cut: int) -> None:
        """Against comparing all pairs."""

        def pieces(text: str) -> set[str]:
            return {text[start : start + 5] for start in range(len(text) - 4)}

        def near(one: str, other: str) -> bool:
            shared, every = pieces(one) & pieces(other), pieces(one) | pieces(other)
            return one != other and min(len(pieces(one)), len(pieces(other))) >= 12 and len(shared) / len(every) >= 0.6

        texts += [text[2:] for text in texts]
        first, second = texts[cut:], texts[:cut]
        expected = {other for other in second if any(near(one, other) for one in first)}
        leaks = [
            leak for leak in self.leaks((first, [""] * len(first)), (second, [""] * len(second))) if "near" in leak
        ]
        assert bool(leaks) == bool(expected)
        if leaks:
            assert leaks[0].startswith(f"train and val share {len(expected)} nearly")

    def test_pairs_at_the_limit_are_found_among_their_rarest_pieces(self) -> None:
        """30 of 50 pieces are shared, and the 20 others are the rarest."""
        shared = "abcdefghijklmnopqrstuvwxyz01234567"
        [leak] = self.leaks(([shared + "αβγδεζηθικλμνξοπρτυφ"], [""]), ([shared], [""]))
        assert "1 nearly equal text" in leak

    def test_every_pair_of_splits_is_looked_at(self) -> None:
        one = ([self.TEXT], ["Anna"])
        assert [leak.split(" share ")[0] for leak in self.leaks(one, one, one)] == [
            *["train and val"] * 2,
            *["train and test"] * 2,
            *["val and test"] * 2,
        ]

    def test_the_configuration_decides_what_follows(self, tmp_path: Path) -> None:
        config = {"train": folder(tmp_path / "a", GOOD), "validation": folder(tmp_path / "b", GOOD)}
        warned = prepare(config | {"leaks": "warn"})
        assert warned.report.leaks == ["train and validation share 2 writers of 2 lines: 'Anna', 'Bert'"]
        assert "leak: train and validation share 2 writers" in str(warned.report)
        with pytest.raises(DataError, match=r"\(data\.leaks\):\ntrain and validation share 2 writers"):
            prepare(config | {"leaks": "error"})
        assert not prepare(config).report.leaks
