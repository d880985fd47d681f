"""Outputs of real networks with known answers (CTCDecoder and CTCWordBeamSearch, H. Scheidl), where at hand."""

import os
from pathlib import Path

import pytest
import torch

from nmt.inference.line_search import CharacterScorer
from nmt.search.ctc import best_path, log_likelihood
from nmt.search.forced_alignment import align
from nmt.search.lexicon import Lexicon
from nmt.search.prefix_beam import prefix_beam
from nmt.text.alphabet import Alphabet
from nmt.text.ngram import estimate

SHARED = Path(os.environ.get("NMT_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
FOLDER = SHARED / "handwriting" / "decoder_golden"
SYMBOLS = " !\"#&'()*+,-./0123456789:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TRUTH = "the fake friend of the family, like the"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} is not here; set NMT_SHARED_DATA")


def frames(name: str) -> torch.Tensor:
    """Log-probabilities with the blank, which stands last in the file, first."""
    rows = [line.rstrip(";\n").split(";") for line in (FOLDER / name).read_text().splitlines()]
    return torch.tensor([[float(cell) for cell in row] for row in rows]).double().roll(1, dims=1).log_softmax(1)


def words_of(text: str) -> list[str]:
    """Runs of letters."""
    return "".join(symbol if symbol.isalpha() else " " for symbol in text).split()


def lexicon_of(text: str, alphabet: Alphabet) -> Lexicon:
    """The words of a text; whatever is no letter separates them."""
    separators = alphabet.encode("".join(symbol for symbol in alphabet.symbols if not symbol.isalpha()))
    return Lexicon([alphabet.encode(word) for word in words_of(text) if not alphabet.missing(word)], separators)


@pytest.fixture(scope="module")
def line() -> torch.Tensor:
    return frames("data_line_rnnOutput.csv")


@pytest.fixture(scope="module")
def alphabet() -> Alphabet:
    return Alphabet(SYMBOLS)


def test_the_exact_likelihood_of_the_truth(line: torch.Tensor, alphabet: Alphabet) -> None:
    assert log_likelihood(line, alphabet.encode(TRUTH)) == pytest.approx(-28.090721774903226, abs=1e-4)


def test_the_best_path(line: torch.Tensor, alphabet: Alphabet) -> None:
    (ids,) = best_path(line[None], torch.tensor([len(line)]))
    assert alphabet.decode(ids) == "the fak friend of the fomly hae tC"


@pytest.mark.parametrize("beam_size", [25, 60])
def test_the_summing_beam(line: torch.Tensor, alphabet: Alphabet, beam_size: int) -> None:
    found = prefix_beam(line, beam_size=beam_size, top_symbols=0)[0]
    assert alphabet.decode(found.ids) == "the fak friend of the fomcly hae tC"
    assert found.log_likelihood == pytest.approx(-11.540561, abs=1e-5)


def test_language_model_and_lexicon_of_its_corpus_read_the_truth(line: torch.Tensor, alphabet: Alphabet) -> None:
    corpus = (FOLDER / "data_line_corpus.txt").read_text().strip()
    scorer = CharacterScorer(estimate([corpus], 5), alphabet)
    found = prefix_beam(line, beam_size=40, scorer=scorer, language_weight=1.0, insertion_bonus=2.0)[0]
    assert alphabet.decode(found.ids).startswith("the fake friend of the family, ")
    words = alphabet.decode(prefix_beam(line, beam_size=40, lexicon=lexicon_of(corpus, alphabet))[0].ids)
    assert words.startswith("the fake friend of the family")


def test_characters_stand_in_order_where_the_best_path_says_them(line: torch.Tensor, alphabet: Alphabet) -> None:
    spans = align(line, alphabet.encode(TRUTH)).spans
    likely = line.argmax(dim=1).tolist()
    for place, letter in enumerate("the fak"):
        (symbol,) = alphabet.encode(letter)
        assert symbol in likely[spans[place].start : spans[place].end]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_bentham_words_are_read_right_where_the_lexicon_has_them_and_others(number: int) -> None:
    own = Alphabet((FOLDER / "b_chars.txt").read_text(encoding="utf-8").rstrip("\n"))
    truth = (FOLDER / f"b_gt_{number}.txt").read_text(encoding="utf-8").rstrip("\n")
    rows = frames(f"b_mat_{number}.csv")
    free = prefix_beam(rows, beam_size=20)[0]
    assert free.log_likelihood > log_likelihood(rows, own.encode(truth)) - 1e-9
    others = (FOLDER / "data_word_corpus.txt").read_text()
    read = own.decode(prefix_beam(rows, beam_size=20, lexicon=lexicon_of(truth + " " + others, own))[0].ids)
    assert words_of(read) == words_of(truth)
