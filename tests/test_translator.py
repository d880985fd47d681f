"""The object that ships: lines in, as many out, in order, whatever the batch; it re-scores to what the model says."""

from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_checkpoint import tiny_checkpoint, write_tiny_checkpoint

from nmt.checkpoint import write_checkpoint
from nmt.config.data import TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.config.search import SearchConfig
from nmt.errors import CheckpointError, ConfigError, DataError, TranslationError
from nmt.inference.decoding import Request
from nmt.inference.glossary import Glossary
from nmt.inference.guidance import UNGUIDED, Guidance
from nmt.inference.quantize import prepare_for_inference
from nmt.inference.reranking import posterior, rerank
from nmt.inference.splitting import join_parts, split_sentences
from nmt.inference.stepper import DecoderStepper
from nmt.inference.translator import Translator
from nmt.inference.windows import Source
from nmt.models.build import build_translation
from nmt.search.hypothesis import EMPTY_HYPOTHESIS, Hypothesis
from nmt.search.stepper import Stepper
from nmt.text.normalize import normalize
from nmt.text.tokenizer import END, START, Tokenizer, Tokenizers

LINES = ["ein Hund läuft", "zwei Hunde laufen schnell", "eine Katze schläft", "a dog runs", "two dogs run"] * 5
SENTENCES = ["ein Hund", "", "zwei Hunde laufen schnell durch eine Katze", "läuft", "  \t ", "eine Katze schläft ein"]


@pytest.fixture(scope="module")
def translator() -> Translator:
    tokenizer = Tokenizer.train(LINES, config=TokenizerConfig(kind="bpe", vocabulary_size=300))
    torch.manual_seed(4)
    config = ModelConfig.model_validate({"embedding_size": 16, "hidden_size": 16, "initialization": {"scale": 1.0}})
    size = tokenizer.vocabulary_size
    model = build_translation(config, size, size).eval()
    search = SearchConfig(beam_size=3, batch_sentences=2, max_length=16)
    return Translator(model, Tokenizers(tokenizer, tokenizer), search=search)


def test_as_many_results_as_lines_in_order_and_empty_stays_empty(translator: Translator) -> None:
    results = translator.translate(SENTENCES)
    assert [r.source for r in results] == SENTENCES
    assert [bool(r.hypotheses) for r in results] == [True, False, True, True, False, True]
    assert results[1].text == results[4].text == ""
    assert translator.translate([]) == [] and list(translator.translate_stream([])) == []


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_a_line_does_not_depend_on_its_companions(translator: Translator, batch: int) -> None:
    search = translator.search.model_copy(update={"batch_sentences": batch})
    together = translator.translate(SENTENCES, search=search)
    backwards = translator.translate(SENTENCES[::-1], search=search)[::-1]
    alone = [translator.translate([sentence])[0] for sentence in SENTENCES]
    assert [r.text for r in together] == [r.text for r in backwards] == [r.text for r in alone]
    for a, b in zip(together, alone, strict=True):
        assert [h.score for h in a.hypotheses] == pytest.approx([h.score for h in b.hypotheses], abs=1e-4)


def test_a_stream_gives_what_a_list_gives_and_answers_before_its_end(translator: Translator) -> None:
    asked = 0

    def lines() -> object:
        nonlocal asked
        for sentence in SENTENCES * 4:
            asked += 1
            yield sentence

    stream = translator.translate_stream(lines())
    first = next(stream)
    assert asked == 2  # one batch was read, no more
    assert [r.text for r in [first, *stream]] == [r.text for r in translator.translate(SENTENCES * 4)]


def test_the_score_is_what_the_model_says_of_the_hypothesis(translator: Translator) -> None:
    search = SearchConfig(beam_size=3, length_penalty=0.7, max_length=12)
    source_ids = translator.tokenizers.source.encode(SENTENCES[2])
    for hypothesis in translator.translate([SENTENCES[2]], search=search, n_best=3)[0].hypotheses:
        pieces = hypothesis.pieces[:-1] if hypothesis.finished else hypothesis.pieces
        vocabulary = {translator.tokenizers.target.pieces([i])[0]: i for i in range(4, 300)}
        target = [START, *(vocabulary[p] for p in pieces), *([END] if hypothesis.finished else [])]
        source = torch.tensor([[*source_ids, END]])
        logits = translator.model(source, torch.tensor([source.shape[1]]), torch.tensor([target[:-1]]))
        spoken = logits.log_softmax(-1)[0].gather(1, torch.tensor(target[1:])[:, None])[:, 0]
        assert hypothesis.log_probability == pytest.approx(spoken.sum().item(), abs=1e-3)
        assert list(hypothesis.token_log_probabilities) == pytest.approx(spoken.tolist(), abs=1e-3)
        penalty = ((5 + len(spoken)) / 6) ** 0.7
        assert hypothesis.score == pytest.approx(spoken.sum().item() / penalty, abs=1e-3)


def test_attention_has_a_row_a_piece_and_a_column_a_source_piece(translator: Translator) -> None:
    for result in translator.translate(SENTENCES, attention=True):
        for hypothesis in result.hypotheses:
            assert hypothesis.attention is not None
            assert hypothesis.attention.shape == (len(hypothesis.pieces), len(result.source_pieces))
            torch.testing.assert_close(hypothesis.attention.sum(1), torch.ones(len(hypothesis.pieces)))
    assert all(h.attention is None for r in translator.translate(SENTENCES) for h in r.hypotheses)


def test_more_candidates_than_beams_cannot_be_had(translator: Translator) -> None:
    with pytest.raises(ConfigError, match=r"n_best \(4\) is more than beam_size \(3\)"):
        translator.translate(["ein Hund"], n_best=4)
    with pytest.raises(ConfigError, match=r"candidates \(5\) is more than beam_size \(3\)"):
        translator.translate(["ein Hund"], guidance=Guidance(mbr="chrf", candidates=5))  # it was a traceback


def test_minimum_bayes_risk_orders_diverse_beams(translator: Translator) -> None:
    search = SearchConfig(beam_size=6, diverse_beam_groups=3, diverse_beam_strength=2.0, max_length=16)
    found = translator.translate(SENTENCES, search=search, n_best=6)
    voted = translator.translate(SENTENCES, search=search, n_best=6, guidance=Guidance(mbr="chrf"))
    moved = 0
    for by_score, by_vote in zip(found, voted, strict=True):
        hypotheses = by_score.hypotheses
        weights = posterior([hypothesis.log_probability for hypothesis in hypotheses])
        order = rerank([hypothesis.text for hypothesis in hypotheses], weights).order
        assert by_vote.hypotheses == tuple(hypotheses[place] for place in order)
        moved += order != tuple(range(len(order)))
    assert moved


LONG = "Ein Hund läuft. Zwei Hunde laufen schnell! Eine Katze schläft ein? Ein Hund, eine Katze."


def test_a_long_line_is_the_translations_of_its_sentences(translator: Translator) -> None:
    search = translator.search.model_copy(update={"split_tokens": 20})
    lines = ["ein Hund", LONG, "läuft"]
    before, long, after = translator.translate(lines, search=search, n_best=3, attention=True)
    parts = translator.translate(split_sentences(LONG), search=search, n_best=3, attention=True)
    assert long.parts == len(parts) == 4 and before.parts == after.parts == 1
    assert long.source == LONG and (before, after) != (None, None)
    assert long.source_pieces == tuple(piece for part in parts for piece in part.source_pieces)
    for rank, hypothesis in enumerate(long.hypotheses):
        pieces = [part.hypotheses[rank] for part in parts]
        assert hypothesis.text == join_parts([piece.text for piece in pieces])
        assert hypothesis.score == pytest.approx(sum(piece.score for piece in pieces))
        assert hypothesis.log_probability == pytest.approx(sum(hypothesis.token_log_probabilities), abs=1e-4)
        assert hypothesis.finished == all(piece.finished for piece in pieces)
        assert hypothesis.attention is not None
        assert hypothesis.attention.shape == (len(hypothesis.pieces), len(long.source_pieces))
        looked = [piece.attention.argmax(1) for piece in pieces if piece.attention is not None]
        begins = [sum(len(part.source_pieces) for part in parts[:place]) for place in range(len(parts))]
        expected = [int(position) + begin for one, begin in zip(looked, begins, strict=True) for position in one]
        assert list(hypothesis.alignment) == expected == hypothesis.attention.argmax(1).tolist()
    scores = [hypothesis.score for hypothesis in long.hypotheses]
    assert scores == sorted(scores, reverse=True) and len(scores) == 3


def test_no_part_of_a_long_line_is_lost_or_too_long(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of 20,000 characters without a stop, a space or a mercy, and one of many sentences."""
    asked: list[Request] = []

    def decode(_: object, requests: list[Request], *__: object, **___: object) -> list[list[Hypothesis]]:
        asked.extend(requests)
        return [[EMPTY_HYPOTHESIS] for _ in requests]

    monkeypatch.setattr("nmt.inference.translator.decode_batch", decode)
    monkeypatch.setattr("nmt.inference.translator.batches", lambda lengths, **_: [list(range(len(lengths)))])
    for line in ("HundKatze" * 2222, f"{LONG} " * 200, "x, " * 5000, "\u200b" * 9000 + LONG):
        asked.clear()
        (result,) = translator.translate([line])
        ids = [i for request in asked for i in request.source]
        said = "".join(translator.tokenizers.source.decode(ids).split())
        assert said == "".join(normalize(line, "nfc").split())
        assert max(len(request.source) for request in asked) <= translator.search.split_tokens
        assert len(asked) == result.parts


def test_a_prefix_begins_the_first_part_only(translator: Translator) -> None:
    search = translator.search.model_copy(update={"split_tokens": 20})
    short, long, free = translator.translate([Source("Hund", "two d"), Source(LONG, "two d"), "Hund"], search=search)
    assert short.text.startswith("two d") and long.text.startswith("two d")
    assert free.text == translator.translate(["Hund"])[0].text
    parts = translator.translate(split_sentences(LONG)[1:], search=search)
    assert long.text.endswith(join_parts([part.text for part in parts]))


@pytest.mark.parametrize("update", [{"sampling": True, "seed": 7}, {}])
def test_a_line_is_the_same_in_any_window(translator: Translator, update: dict[str, object]) -> None:
    """What is drawn depends on what the line says; so windows may be dealt to anyone. Equal lines are drawn alike."""
    search = translator.search.model_copy(update={**update, "split_tokens": 20})
    lines = ["ein Hund", "ein Hund", LONG, *SENTENCES]
    together = [result.text for result in translator.translate(lines, search=search)]
    apart = [
        result.text
        for first in range(0, len(lines), 2)
        for result in translator.translate(lines[first : first + 2], search=search, first=first + 1)
    ]
    assert apart == together
    assert together[0] == together[1]


@pytest.fixture(scope="module")
def prepared(translator: Translator) -> Translator:
    """One of a size for which bits are promised, that splits lines of more than 20 tokens."""
    torch.manual_seed(5)
    config = ModelConfig.model_validate({"embedding_size": 64, "hidden_size": 64, "initialization": {"scale": 0.5}})
    size = translator.tokenizers.source.vocabulary_size
    model = prepare_for_inference(build_translation(config, size, size).eval())
    search = SearchConfig(sampling=True, top_p=0.95, max_length=6, split_tokens=20)
    return Translator(model, translator.tokenizers, search=search)


POOL = [*SENTENCES, LONG, "ein Hund", "Katze Hund " * 9, *LINES[:3]]


@cache
def drawn_alone(translator: Translator, mbr: bool) -> list[list[object]]:
    return [drawn(translator, [Source(line)], mbr=mbr)[0] for line in POOL]


def drawn(translator: Translator, lines: list[Source], *, mbr: bool, batch: int = 64) -> list[list[object]]:
    """Everything about three candidates a line, but for where they looked."""
    search = translator.search.model_copy(update={"batch_sentences": batch})
    guidance = Guidance(mbr="chrf", candidates=5) if mbr else UNGUIDED
    found = translator.translate(lines, search=search, n_best=3, guidance=guidance)
    return [[hypothesis._replace(attentions=()) for hypothesis in line.hypotheses] for line in found]


@pytest.mark.parametrize("mbr", [False, True])
@settings(max_examples=8)
@given(data=st.data())
def test_order_batches_and_companions_change_no_sample(prepared: Translator, mbr: bool, data: st.DataObject) -> None:
    """Any lines of a pool, repeated or not, in any order and batch: what each is given alone, bit by bit."""
    chosen = data.draw(st.lists(st.integers(0, len(POOL) - 1), min_size=1, max_size=12))
    batch = data.draw(st.sampled_from([1, 2, 7, 64]))
    found = drawn(prepared, [Source(POOL[index]) for index in chosen], mbr=mbr, batch=batch)
    assert found == [drawn_alone(prepared, mbr)[index] for index in chosen]


def test_seed_prefix_and_draw_change_samples_and_so_does_the_text(prepared: Translator) -> None:
    (plain, begun, other) = prepared.translate([Source("ein Hund"), Source("ein Hund", "a"), Source("Hund")], n_best=6)
    assert len({one.text for one in plain.hypotheses}) == 6
    assert {one.text for one in plain.hypotheses}.isdisjoint(one.text for one in other.hypotheses)
    assert {one.text[1:] for one in begun.hypotheses}.isdisjoint(one.text for one in plain.hypotheses)
    reseeded = prepared.search.model_copy(update={"seed": 2})
    (again,) = prepared.translate(["ein Hund"], n_best=6, search=reseeded)
    assert {one.text for one in again.hypotheses}.isdisjoint(one.text for one in plain.hypotheses)


def test_a_prefix_that_cannot_be_names_its_line(translator: Translator) -> None:
    """A request knows no line since its samples do not follow from it; the message did."""
    plain = Tokenizer.train(LINES, config=TokenizerConfig(kind="bpe", vocabulary_size=60, byte_fallback=False))
    strict = Translator(translator.model, Tokenizers(translator.tokenizers.source, plain))
    with pytest.raises(DataError, match="line 4: the prefix holds characters that the target tokenizer does not know"):
        strict.translate(["Hund", Source("Hund", "\u4e2d")], first=3)


def test_memory_that_does_not_suffice_names_the_line(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object, requests: list[Request], *__: object, **___: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("nmt.inference.translator.decode_batch", fails)
    with pytest.raises(TranslationError, match="line 5: memory does not suffice .* lower --batch-tokens"):
        translator.translate(["Hund", "", "zwei Hunde laufen schnell"], first=3)


def test_batches_are_bounded_by_their_padded_tokens(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def decode(_: object, requests: list[Request], *__: object, **___: object) -> list[list[Hypothesis]]:
        sizes.append((len(requests), max(len(request.source) + 1 for request in requests)))
        return [[EMPTY_HYPOTHESIS] for _ in requests]

    monkeypatch.setattr("nmt.inference.translator.decode_batch", decode)
    search = SearchConfig(batch_sentences=50, batch_tokens=40)
    translator.translate(["Hund " * number for number in range(1, 31)], search=search)
    assert all(count * longest <= 40 or count == 1 for count, longest in sizes)
    assert max(count for count, _ in sizes) > 3


def test_several_checkpoints_vote_and_must_fit_together(tmp_path: Path) -> None:
    paths = [write_tiny_checkpoint(tmp_path / f"{seed}.ckpt", seed=seed) for seed in (1, 2)]
    both, one, other = (Translator.from_checkpoint(given) for given in (paths, paths[0], [paths[1]]))
    assert len(both.models) == 2 and both.search == one.search
    said = [translator.translate(["Hund"])[0].hypotheses[0].log_probability for translator in (both, one, other)]
    assert len(set(said)) == 3
    twice = Translator.from_checkpoint([paths[0], paths[0]]).translate(["Hund"])[0].hypotheses[0]
    assert twice.log_probability == pytest.approx(said[1], abs=1e-4)
    other_vocabulary = write_tiny_checkpoint(tmp_path / "more.ckpt", vocabulary_size=290)
    with pytest.raises(CheckpointError, match=r"1\.ckpt and .*more\.ckpt: different source tokenizers \(300 .* 290"):
        Translator.from_checkpoint([paths[0], other_vocabulary])
    nfkc = tmp_path / "nfkc.ckpt"
    write_checkpoint(nfkc, tiny_checkpoint(normalization="nfkc"))
    with pytest.raises(CheckpointError, match="normalization nfc and nfkc"):
        Translator.from_checkpoint([paths[0], nfkc])


def test_a_term_that_was_not_reached_is_named_as_often_as_it_is_missing(translator: Translator) -> None:
    guidance = Guidance(Glossary([("Hund", "dog"), ("Katze", "two dogs")]))
    lines = ["ein Hund", "ein Hund läuft, ein Hund schläft", "Katze. Hund. Hund.", "läuft"]
    free = translator.translate(lines, guidance=guidance)
    assert [line.hypotheses[0].missing_terms for line in free] == [()] * 4
    # A second "dog" is impossible where no token may come twice; the text holds one, so looking for it would not do.
    once = translator.search.model_copy(update={"no_repeat_ngram": 1})
    strict = translator.translate(lines[:2], search=once, guidance=guidance)
    assert [line.hypotheses[0].missing_terms for line in strict] == [(), ("dog",) * (2 - strict[1].text.count("dog"))]
    assert strict[1].text.count("dog") < 2


def test_unknown_devices_are_named() -> None:
    with pytest.raises(ConfigError, match="device 'tpu9000' is unknown"):
        Translator.from_checkpoint("nowhere", device="tpu9000")


def test_translating_leaves_the_model_and_its_gradients_alone(translator: Translator) -> None:
    before = {name: value.clone() for name, value in translator.model.state_dict().items()}
    translator.translate(SENTENCES)
    assert all(torch.equal(before[name], value) for name, value in translator.model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in translator.model.parameters())


def test_the_decoder_is_a_stepper(translator: Translator) -> None:
    assert isinstance(DecoderStepper(translator.model, torch.tensor([[5, 3]]), torch.tensor([2])), Stepper)
