"""Where options become searches: each does what it says with real models, and what is not asked for is not there."""

import itertools
from typing import Any

import pytest
import torch

from nmt.config.model import ModelConfig
from nmt.config.search import SearchConfig
from nmt.errors import ConfigError, DataError
from nmt.inference import decoding
from nmt.inference.decoding import Request, decode_batch, maximum_lengths, minimum_lengths
from nmt.inference.stepper import DecoderStepper
from nmt.models.build import build_translation
from nmt.models.translation import TranslationModel
from nmt.search.constrained import missing_phrases
from nmt.search.hypothesis import Hypothesis
from nmt.search.stepper import Stepper
from nmt.text.tokenizer import END, PAD, START, UNKNOWN

SIZE = 40
REQUESTS = [Request(ids) for ids in [(5, 6, 7), (8,), (9, 10, 11, 12, 13, 14), (7, 7), (30, 31, 32, 33)]]
GREEDY = {"beam_size": 1, "length_penalty": 0.0, "coverage_penalty": 0.0}


def model(seed: int, scale: float = 1.5) -> TranslationModel:
    torch.manual_seed(seed)
    config = ModelConfig.model_validate({"embedding_size": 12, "hidden_size": 12, "initialization": {"scale": scale}})
    return build_translation(config, SIZE, SIZE).eval()


@pytest.fixture(scope="module")
def models() -> list[TranslationModel]:
    return [model(seed) for seed in (1, 2, 3)]


def scored_tokens(hypothesis: Hypothesis) -> tuple[int, ...]:
    return (*hypothesis.tokens, END) if hypothesis.finished else hypothesis.tokens


def stepper_of(one: TranslationModel, request: Request) -> DecoderStepper:
    source = torch.tensor([[*request.source, END]])
    return DecoderStepper(one, source, torch.tensor([source.shape[1]]))


@torch.inference_mode()
def rescored(one: TranslationModel, request: Request, scored: tuple[int, ...]) -> list[list[float]]:
    """The log-probabilities of all tokens before each scored one."""
    stepper = stepper_of(one, request)
    state, token, rows = stepper.start(), START, []
    for following in scored:
        said, state = stepper.step(torch.tensor([[token]]), state)
        rows.append(said.log_probabilities[0, 0].tolist())
        token = following
    return rows


def options(**values: Any) -> SearchConfig:
    return SearchConfig.model_validate({"beam_size": 4, "max_length": 12, **values})


def texts(found: list[list[Hypothesis]]) -> list[list[tuple[int, ...]]]:
    return [[hypothesis.tokens for hypothesis in hypotheses] for hypotheses in found]


# --- ensembles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["linear", "log_linear"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_same_model_several_times_is_that_model(models: list[TranslationModel], kind: str, count: int) -> None:
    alone = decode_batch(models[:1], REQUESTS, options(), n_best=3)
    together = decode_batch(models[:1] * count, REQUESTS, options(ensemble=kind), n_best=3)
    assert texts(alone) == texts(together)
    scores = [[h.score for h in found] for found in together]
    assert scores == [pytest.approx([h.score for h in found], abs=1e-4) for found in alone]


@pytest.mark.parametrize("kind", ["linear", "log_linear"])
def test_an_ensemble_reports_what_its_models_say_together(models: list[TranslationModel], kind: str) -> None:
    found = decode_batch(models, REQUESTS, options(ensemble=kind), attention=True)
    assert texts(found) != texts(decode_batch(models[:1], REQUESTS, options()))
    for request, (hypothesis,) in zip(REQUESTS, found, strict=True):
        scored = scored_tokens(hypothesis)
        said = torch.tensor([rescored(one, request, scored) for one in models], dtype=torch.float64)
        mean = said.exp().mean(0).log() if kind == "linear" else said.mean(0).log_softmax(-1)
        expected = [mean[i, token].item() for i, token in enumerate(scored)]
        assert list(hypothesis.token_log_probabilities) == pytest.approx(expected, abs=1e-4)
        assert hypothesis.attention is not None
        assert hypothesis.attention.shape == (len(scored), len(request.source) + 1)
        assert torch.allclose(hypothesis.attention.sum(1), torch.ones(len(scored)), atol=1e-5)


# --- constraints ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [{}, GREEDY, {"sampling": True}, {"no_repeat_ngram": 1, "repetition_penalty": 1.5}])
def test_a_translation_begins_as_demanded_and_its_score_is_the_model_s(
    models: list[TranslationModel], way: dict[str, Any]
) -> None:
    prefixes = [(), (20, 21), (22,), (20,) * 15, ()]
    requests = [request._replace(prefix=prefix) for request, prefix in zip(REQUESTS, prefixes, strict=True)]
    for request, (hypothesis,) in zip(requests, decode_batch(models[:1], requests, options(**way)), strict=True):
        scored, length = scored_tokens(hypothesis), len(request.prefix)
        assert hypothesis.tokens[:length] == request.prefix
        assert len(scored) > length  # 15 tokens and one more, though max_length is 12
        own = [row[token] for row, token in zip(rescored(models[0], request, scored), scored, strict=True)]
        compared = length if "repetition_penalty" in way else len(scored)
        assert list(hypothesis.token_log_probabilities[:compared]) == pytest.approx(own[:compared], abs=1e-4)


@pytest.mark.parametrize(
    ("token", "said"), [(UNKNOWN, "byte fallback"), (END, "</s>"), (PAD, "padding"), (START, "<s>")]
)
def test_a_prefix_that_no_translation_can_have(models: list[TranslationModel], token: int, said: str) -> None:
    with pytest.raises(DataError, match=f"the prefix .*{said}"):
        decode_batch(models[:1], [Request((5, 6), prefix=(20, token))], options())


@pytest.mark.parametrize("way", [{}, GREEDY, {"sampling": True, "temperature": 0.2}])
@pytest.mark.parametrize("size", [1, 2])
def test_no_ngram_twice(models: list[TranslationModel], way: dict[str, Any], size: int) -> None:
    def most_repeated(values: dict[str, Any]) -> int:
        found = decode_batch(models[:1], REQUESTS, options(min_length=11, **way, **values))
        ngrams = [
            list(zip(*(h.tokens[i:] for i in range(size)), strict=False)) for hypotheses in found for h in hypotheses
        ]
        return max(max(map(row.count, row)) for row in ngrams)

    assert most_repeated({}) > 1
    assert most_repeated({"no_repeat_ngram": size}) == 1


def test_a_repetition_penalty_makes_translations_more_varied(models: list[TranslationModel]) -> None:
    def distinct(penalty: float) -> int:
        found = decode_batch(models[:1], REQUESTS, options(min_length=11, repetition_penalty=penalty))
        return sum(len(set(hypothesis.tokens)) for (hypothesis,) in found)

    assert distinct(1.0) < distinct(1.5) < distinct(5.0)


def test_lengths_leave_room_for_prefixes() -> None:
    lengths, search = torch.tensor([3, 3, 3]), SearchConfig(max_length_offset=1, max_length_ratio=1.0, max_length=100)
    assert maximum_lengths(lengths, search).tolist() == [4, 4, 4]
    assert maximum_lengths(lengths, search, demanded=[0, 3, 9]).tolist() == [4, 4, 10]


def test_minimum_and_maximum_follow_the_source_and_keep_to_what_is_absolute(models: list[TranslationModel]) -> None:
    lengths = torch.tensor([3, 11, 101])  # with `</s>`
    search = SearchConfig(min_length_ratio=0.5, min_length=2, max_length=20, max_length_ratio=0.1, max_length_offset=0)
    assert minimum_lengths(lengths, search).tolist() == [2, 5, 19]
    assert maximum_lengths(lengths, search).tolist() == [3, 6, 20]
    for way in ({}, GREEDY, {"sampling": True}):
        requests = [Request((5, 6, 7)), Request((8, 9) * 8)]
        found = decode_batch(models[:1], requests, options(min_length_ratio=2.0, max_length=25, **way))
        for request, (hypothesis,) in zip(requests, found, strict=True):
            assert len(hypothesis.tokens) >= min(24, 2 * len(request.source))


# --- diverse beams -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "way", [{}, {"coverage_penalty": 0.3, "min_length": 5}, {"repetition_penalty": 1.5, "no_repeat_ngram": 2}]
)
@pytest.mark.parametrize("count", [1, 3])
def test_diverse_beams_differ_more_and_report_what_the_plain_search_reports(
    models: list[TranslationModel], way: dict[str, Any], count: int
) -> None:
    def searched(**values: Any) -> list[list[Hypothesis]]:
        return decode_batch(models[:count], requests, options(beam_size=6, **way, **values), n_best=6)

    requests = [request._replace(prefix=(20,) * (place % 2)) for place, request in enumerate(REQUESTS)]
    plain, groups = searched(), {"diverse_beam_groups": 3}
    assert searched(diverse_beam_groups=1, diverse_beam_strength=9.0) == plain
    diverse = searched(**groups, diverse_beam_strength=2.0)
    assert distinct_bigrams(diverse) > 1.2 * distinct_bigrams(plain)
    for request, found in zip(requests, diverse, strict=True):
        assert len({hypothesis.tokens for hypothesis in found}) == len(found)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        assert all(h.tokens[: len(request.prefix)] == request.prefix for h in found)
    known = {(i, h.tokens): h for i, found in enumerate(plain) for h in found}
    again = [(h, known[i, h.tokens]) for i, found in enumerate(diverse) for h in found if (i, h.tokens) in known]
    assert again
    for one, other in again:
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.token_log_probabilities == pytest.approx(other.token_log_probabilities, abs=1e-4)


def distinct_bigrams(found: list[list[Hypothesis]]) -> int:
    return sum(len({pair for h in hypotheses for pair in itertools.pairwise(scored_tokens(h))}) for hypotheses in found)


def test_phrases_are_not_demanded_of_diverse_beams(models: list[TranslationModel]) -> None:
    with pytest.raises(ConfigError, match="phrases cannot be demanded of diverse beams; set diverse_beam_groups to 1"):
        decode_batch(models[:1], [Request((5, 6), phrases=((20,),))], options(diverse_beam_groups=2))


# --- sampling ------------------------------------------------------------------------------------------------------


def test_what_is_drawn_depends_on_the_line_and_the_seed_alone(models: list[TranslationModel]) -> None:
    search = options(sampling=True, top_k=20, top_p=0.95, temperature=1.3)
    together = texts(decode_batch(models[:1], REQUESTS, search, n_best=4))
    assert [len(found) for found in together] == [4] * len(REQUESTS)
    for i, request in enumerate(REQUESTS):
        assert texts(decode_batch(models[:1], [request], search, n_best=4)) == [together[i]]
        assert texts(decode_batch(models[:1], [request], search, n_best=1)) == [together[i][:1]]
    assert texts(decode_batch(models[:1], REQUESTS[::-1], search, n_best=4)) == together[::-1]
    other = search.model_copy(update={"seed": 2})
    assert texts(decode_batch(models[:1], REQUESTS, other, n_best=4)) != together


def test_what_is_drawn_depends_on_what_is_asked_alone() -> None:
    """It followed the number of the line: a shuffled file was drawn anew. And it is the same on every machine."""
    assert Request((5, 6)).number == Request((5, 6)).number == -6003365783900174450
    asked = [Request((5, 6)), Request((6, 5)), Request((56,)), Request((5,), (6,)), Request((), (5, 6)), Request((5,))]
    assert len({request.number for request in asked}) == len(asked)
    assert all(-(2**63) <= Request((number,)).number < 2**63 for number in range(500))
    assert any(Request((number,)).number < 0 for number in range(500))


@pytest.mark.parametrize("sure", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 0.01}])
def test_sampling_that_is_sure_is_greedy(models: list[TranslationModel], sure: dict[str, Any]) -> None:
    """With a temperature, but for a token that is all but as probable: 0.05 less is e^5 times as seldom drawn."""
    greedy = decode_batch(models[:1], REQUESTS, options(**GREEDY))
    drawn = decode_batch(models[:1], REQUESTS, options(sampling=True, **sure))
    if "temperature" not in sure:
        assert texts(drawn) == texts(greedy)
    for (one,), (best,) in zip(drawn, greedy, strict=True):
        steps = zip(scored_tokens(one), scored_tokens(best), strict=False)
        first = next((i for i, (token, likely) in enumerate(steps) if token != likely), None)
        if first is not None:
            assert one.token_log_probabilities[first] > best.token_log_probabilities[first] - 0.1


# --- which search --------------------------------------------------------------------------------------------------


def test_what_is_not_asked_for_is_not_there(models: list[TranslationModel], monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[tuple[str, Stepper]] = []
    for name in ("beam_search", "greedy_search", "sample_search"):
        whole = getattr(decoding, name)

        def remember(stepper: Stepper, *, name: str = name, whole: Any = whole, **rest: Any) -> Any:
            used.append((name, stepper))
            return whole(stepper, **rest)

        monkeypatch.setattr(decoding, name, remember)
    for way in ({}, GREEDY, {"sampling": True}, {"beam_size": 1}):
        decode_batch(models[:1], REQUESTS, options(**way))
    assert [name for name, _ in used] == ["beam_search", "greedy_search", "sample_search", "beam_search"]
    assert all(type(stepper) is DecoderStepper for _, stepper in used)


def test_a_stored_search_with_fewer_keys_is_the_search_it_was() -> None:
    old = {"beam_size": 3, "length_penalty": 0.9, "coverage_penalty": 0.1, "max_length_ratio": 2.0, "min_length": 1}
    search = SearchConfig.model_validate({**old, "max_length_offset": 10, "max_length": 1000, "batch_sentences": 64})
    neutral = (False, 1.0, 0, 1.0, 0, 1.0)
    assert neutral == (
        search.sampling,
        search.temperature,
        search.top_k,
        search.top_p,
        search.no_repeat_ngram,
        search.repetition_penalty,
    )


OUT_OF_RANGE = {
    "temperature": [0.0, 101.0],
    "top_k": [-1, 1_000_001],
    "top_p": [0.0, 1.01],
    "seed": [-1, 2**63],
    "no_repeat_ngram": [-1, 1001],
    "repetition_penalty": [0.99, 1001.0],
    "ensemble": ["mean"],
    "sampling": ["yes", 1],
    "batch_tokens": [0],
}


@pytest.mark.parametrize(
    ("name", "value"), list(itertools.chain(*([(k, v) for v in values] for k, values in OUT_OF_RANGE.items())))
)
def test_values_out_of_range(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        SearchConfig.model_validate({name: value})


@pytest.mark.parametrize(
    "values", [{"temperature": 0.01}, {"temperature": 100.0}, {"seed": 2**63 - 1}, {"seed": 0}, {"top_k": 1_000_000},
               {"top_p": 1e-9}, {"no_repeat_ngram": 1000}, {"repetition_penalty": 1000.0}],
)  # fmt: skip
def test_values_at_their_limits_work(models: list[TranslationModel], values: dict[str, Any]) -> None:
    for sampling in (False, True):
        found = decode_batch(models[:1], REQUESTS, options(sampling=sampling, **values), n_best=2)
        assert all(len(hypotheses) == 2 for hypotheses in found)


# --- phrases -------------------------------------------------------------------------------------------------------


def test_phrases_are_said_and_companions_are_left_alone(models: list[TranslationModel]) -> None:
    wanted = [((20, 21),), (), ((22,), (23, 24, 25)), (), ((26,), (26,))]
    asking = [request._replace(phrases=own) for request, own in zip(REQUESTS, wanted, strict=True)]
    plain, found = decode_batch(models[:1], REQUESTS, options()), decode_batch(models[:1], asking, options())
    for own, hypotheses, before in zip(wanted, found, plain, strict=True):
        assert not missing_phrases(hypotheses[0].tokens, own)
        assert own or (hypotheses[0].tokens, hypotheses[0].score) == (before[0].tokens, before[0].score)


def test_a_greedy_search_asks_for_phrases_too(models: list[TranslationModel]) -> None:
    asking = [REQUESTS[0]._replace(phrases=((20, 21),)), REQUESTS[1]]
    found = decode_batch(models[:1], asking, options(**GREEDY))
    assert not missing_phrases(found[0][0].tokens, asking[0].phrases)
    assert found[1][0].tokens == decode_batch(models[:1], REQUESTS[1:2], options(**GREEDY))[0][0].tokens


def test_phrases_longer_than_the_maximum_length_fit(models: list[TranslationModel]) -> None:
    phrase = tuple(range(10, 30))
    (found,) = decode_batch(models[:1], [Request((8,), phrases=(phrase,))], options(max_length=5))
    assert not missing_phrases(found[0].tokens, [phrase])


def test_where_phrases_cannot_be_said_the_sentence_is_translated_without(models: list[TranslationModel]) -> None:
    search = options(no_repeat_ngram=1)
    asking = [REQUESTS[0], REQUESTS[1]._replace(phrases=((20, 20),)), REQUESTS[2]._replace(phrases=((21,),))]
    found = decode_batch(models[:1], asking, search)
    plain = decode_batch(models[:1], [REQUESTS[1]], search)
    assert found[1][0].tokens == plain[0][0].tokens
    assert missing_phrases(found[1][0].tokens, asking[1].phrases) == ((20, 20),)
    assert not missing_phrases(found[2][0].tokens, asking[2].phrases)


@pytest.mark.parametrize(
    ("phrase", "message"),
    [((5, UNKNOWN), "the phrase holds characters"), ((END,), "the phrase .* </s>")],
)
def test_phrases_that_no_translation_can_hold(
    models: list[TranslationModel], phrase: tuple[int, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        decode_batch(models[:1], [Request((5,), phrases=((6,), phrase))], options())


def test_phrases_cannot_be_drawn(models: list[TranslationModel]) -> None:
    with pytest.raises(ConfigError, match="leave out sampling"):
        decode_batch(models[:1], [Request((5,), phrases=((6,),))], options(sampling=True))
