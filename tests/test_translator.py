"""The object that ships: lines in, as many out, in order, whatever the batch; it re-scores to what the model says."""

import pytest
import torch

from nmt.config.data import TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.config.search import SearchConfig
from nmt.errors import ConfigError
from nmt.inference.stepper import DecoderStepper
from nmt.inference.translator import Translator
from nmt.models.build import build_translation
from nmt.search.stepper import Stepper
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
    return Translator(model, Tokenizers(tokenizer, tokenizer), search=SearchConfig(beam_size=3, batch_sentences=2))


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
        for sentence in SENTENCES * 9:
            asked += 1
            yield sentence

    stream = translator.translate_stream(lines())
    first = next(stream)
    assert asked == 2  # one batch was read, no more
    assert [r.text for r in [first, *stream]] == [r.text for r in translator.translate(SENTENCES * 9)]


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
