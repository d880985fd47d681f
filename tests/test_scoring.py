"""Scoring given pairs: what a search reports of its hypotheses is what reading them gives, whatever the batch."""

import math
from collections.abc import Iterator
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config.data import TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.config.search import SearchConfig
from nmt.errors import DataError
from nmt.inference import scoring
from nmt.inference.decoding import Request, decode_batch
from nmt.inference.scoring import EncodedPair, Pair, PairScore, perplexity, score_batch, score_pairs
from nmt.models.build import build_translation
from nmt.models.translation import TranslationModel
from nmt.text.tokenizer import END, START, Tokenizer, Tokenizers

LINES = ["ein Hund läuft", "zwei Hunde laufen schnell", "eine Katze schläft", "a dog runs", "two dogs run"] * 5
TOKENIZER = Tokenizer.train(LINES, config=TokenizerConfig(kind="bpe", vocabulary_size=300))
BOTH = Tokenizers(TOKENIZER, TOKENIZER)
PAIRS = [
    Pair("ein Hund", "a dog runs"),
    Pair("", "two dogs"),
    Pair("zwei Hunde laufen schnell durch eine Katze", ""),
    Pair("läuft", "run run run run run run run run run run run run"),
    Pair("", ""),
    Pair("eine Katze", "日本語 \u202bשלום\u202c"),
]


def model_of(seed: int, **config: object) -> TranslationModel:
    torch.manual_seed(seed)
    small = {"embedding_size": 16, "hidden_size": 16, "initialization": {"scale": 1.0}}
    size = TOKENIZER.vocabulary_size
    model = build_translation(ModelConfig.model_validate(small | config), size, size).eval()
    with torch.no_grad():
        model.output.bias[END] += 5.0  # untrained, it would hardly ever come to an end
    return model


MODEL, OTHER = model_of(4), model_of(5)


def scores(pairs: list[Pair], *models: TranslationModel, **search: object) -> list[PairScore]:
    return list(score_pairs(models or (MODEL,), BOTH, pairs, search=SearchConfig.model_validate(search)))


def whole_target(pair: Pair) -> list[float]:
    """The oracle: one pair alone through the model's forward pass, all logits kept."""
    source, target = [*TOKENIZER.encode(pair.source), END], TOKENIZER.encode(pair.target)
    logits = MODEL(torch.tensor([source]), torch.tensor([len(source)]), torch.tensor([[START, *target]]))
    spoken = logits.log_softmax(-1)[0].gather(1, torch.tensor([*target, END])[:, None])[:, 0]
    values: list[float] = spoken.tolist()
    return values


@pytest.mark.parametrize("search", [{"batch_sentences": 1}, {"batch_sentences": 2}, {"batch_tokens": 20}, {}])
def test_as_many_scores_as_pairs_in_order_each_what_the_model_says(
    search: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "CHUNK_TOKENS", 3)
    monkeypatch.setattr(scoring, "WINDOW", 4)
    found = scores(PAIRS, length_penalty=0.7, **search)
    assert len(found) == len(PAIRS)
    for pair, score in zip(PAIRS, found, strict=True):
        expected = whole_target(pair)
        assert score.pieces == (*TOKENIZER.pieces(TOKENIZER.encode(pair.target)), "</s>")
        assert score.token_log_probabilities == pytest.approx(expected, abs=1e-5)
        assert score.log_probability == pytest.approx(sum(expected), abs=1e-4)
        assert score.perplexity == pytest.approx(math.exp(-sum(expected) / len(expected)), rel=1e-4)
        assert score.score == pytest.approx(sum(expected) / ((5 + len(expected)) / 6) ** 0.7, abs=1e-4)


@pytest.mark.parametrize(
    ("models", "options"),
    [
        ((MODEL,), {}),
        ((MODEL,), {"length_penalty": 1.0, "coverage_penalty": 0.4}),
        ((model_of(7, decoder_layers=1, initial_state="bridge"),), {"coverage_penalty": 0.2}),
        ((MODEL, OTHER), {"coverage_penalty": 0.3}),
        ((MODEL, OTHER, model_of(6)), {"ensemble": "linear"}),
    ],
    ids=["plain", "both penalties", "one layer", "log-linear", "linear"],
)
def test_a_hypothesis_scores_as_the_search_said(
    models: tuple[TranslationModel, ...], options: dict[str, float]
) -> None:
    search = SearchConfig.model_validate({"beam_size": 4, "max_length": 400, **options})
    sources = ["ein Hund", "zwei Hunde laufen schnell durch eine Katze", "läuft", "eine Katze schläft ein"]
    requests = [Request(tuple(TOKENIZER.encode(source))) for source in sources]
    found = decode_batch(models, requests, search, n_best=4)
    said = [
        (request.source, one) for request, best in zip(requests, found, strict=True) for one in best if one.finished
    ]
    assert len(said) > 8
    scored = score_batch(models, [EncodedPair(source, one.tokens) for source, one in said], search)
    for (_, hypothesis), score in zip(said, scored, strict=True):
        assert score.score == pytest.approx(hypothesis.score, abs=1e-4)
        assert score.log_probability == pytest.approx(hypothesis.log_probability, abs=1e-4)
        assert score.token_log_probabilities == pytest.approx(hypothesis.token_log_probabilities, abs=1e-4)


@pytest.fixture(scope="module")
def alone() -> list[float]:
    return [scores([pair])[0].log_probability for pair in PAIRS]


@settings(max_examples=20)
@given(order=st.permutations(range(len(PAIRS))), batch=st.integers(1, 6))
def test_companions_change_nothing(alone: list[float], order: list[int], batch: int) -> None:
    together = scores([PAIRS[index] for index in order], batch_sentences=batch)
    assert [score.log_probability for score in together] == pytest.approx([alone[index] for index in order], abs=1e-4)


def test_pairs_are_read_a_window_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "WINDOW", 3)
    read = 0

    def endless() -> Iterator[Pair]:
        nonlocal read
        while True:
            read += 1
            yield PAIRS[0]

    assert len(list(islice(score_pairs([MODEL], BOTH, endless(), search=SearchConfig()), 4))) == 4
    assert read == 6


def test_memory_that_does_not_suffice_names_the_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(scoring, "score_batch", full)
    with pytest.raises(DataError, match=r"pair \d: memory does not suffice for 6 pairs"):
        scores(PAIRS)


def test_perplexity_of_nonsense_is_infinite() -> None:
    assert perplexity(-2000.0, 2) == math.inf
    assert perplexity(math.log(0.25), 2) == pytest.approx(2.0)
