"""Scheduled teacher forcing: three ways of reading a half-true target, equal to the word and to the gradient."""

import pytest
import torch
from torch import Tensor

from nmt.config.model import ModelConfig
from nmt.models.build import build_translation
from nmt.models.decoder import Memory
from nmt.models.feedback import best_word
from nmt.models.rollout import Rolled, parallel_passes, roll_out, step_by_step
from nmt.models.steps import OutputSteps
from nmt.models.translation import TranslationModel

MODELS = {
    "gnmt": {"encoder_layers": 2, "decoder_layers": 3},
    "dot_deep_output": {"attention": "dot", "deep_output": True},
    "gru_bridge": {"cell": "gru", "initial_state": "bridge"},
    "peephole": {"cell": "peephole"},
    "general_rnn": {"cell": "rnn", "attention": "general"},
    "input_feeding": {"input_feeding": True},
    "one_layer": {"encoder_layers": 1, "decoder_layers": 1},
}
WORDS = 30


def build(vocabulary: int = WORDS, **options: object) -> TranslationModel:
    torch.manual_seed(0)
    sizes = {"embedding_size": 12, "hidden_size": 12, "dropout": {"input": 0.0}, "initialization": {"scale": 1.0}}
    return build_translation(ModelConfig.model_validate(sizes | options), vocabulary, vocabulary)


def batch(rows: int = 5, width: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Sources, their lengths and targets."""
    torch.manual_seed(1)
    lengths = torch.randint(2, 7, (rows,))
    return torch.randint(4, WORDS, (rows, 6)), lengths, torch.randint(4, WORDS, (rows, width))


def coins(ratio: float, rows: int = 5, width: int = 8, seed: int = 3) -> Tensor:
    return torch.rand(rows, width, generator=torch.Generator().manual_seed(seed)) < ratio


def second_best(logits: Tensor) -> Tensor:
    return logits.topk(2).indices[:, 1]


def by_hand(model: TranslationModel, target: Tensor, memory: Memory, truth: Tensor) -> Tensor:
    """The inputs, each word found by reading the whole sentence before it anew."""
    inputs = target.clone()
    for row in range(target.shape[0]):
        for position in range(1, target.shape[1]):
            if not truth[row, position]:
                alone = Memory(*(part[row : row + 1] for part in memory))
                outputs = model.decode(inputs[row : row + 1, :position], alone).outputs
                inputs[row, position] = model.output(outputs)[0, -1].argmax()
    return inputs


def gradients(model: TranslationModel, rolled: Rolled) -> dict[str, Tensor]:
    model.zero_grad()
    model.output(rolled.outputs).log_softmax(-1)[:, :, 7].square().sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_the_loop_and_the_roll_out_read_the_same_and_learn_the_same(name: str, training: bool) -> None:
    model = build(**MODELS[name]).train(training)
    source, lengths, target = batch()
    for ratio, choose in ((0.5, best_word), (0.0, best_word), (0.8, second_best), (1.0, best_word)):
        truth = coins(ratio)
        both = [
            way(model, target, model.encode(source, lengths), truth=truth, choose=choose)
            for way in (step_by_step, roll_out)
        ]
        assert both[0].inputs.equal(both[1].inputs)
        torch.testing.assert_close(both[0].outputs, both[1].outputs, atol=1e-5, rtol=1e-5)
        expected, found = (gradients(model, rolled) for rolled in both)
        assert expected.keys() == found.keys() and len(found) > 10
        for parameter, gradient in expected.items():
            assert (found[parameter] - gradient).norm() <= 1e-4 * gradient.norm(), parameter
    assert model.training is training


@pytest.mark.parametrize("name", MODELS)
def test_replaced_words_are_what_the_model_says_after_the_words_before(name: str) -> None:
    model = build(**MODELS[name])
    source, lengths, target = batch()
    memory, truth = model.encode(source, lengths), coins(0.6)
    expected = by_hand(model, target, memory, truth)
    rolled = roll_out(model, target, memory, truth=truth, choose=best_word)
    assert rolled.inputs.equal(expected)
    torch.testing.assert_close(rolled.outputs, model.decode(expected, memory).outputs)
    assert expected[truth].equal(target[truth]) and not expected.equal(target)


@pytest.mark.parametrize("name", MODELS)
def test_one_parallel_pass_replaces_by_what_follows_the_truth(name: str) -> None:
    model = build(**MODELS[name])
    source, lengths, target = batch()
    memory, truth = model.encode(source, lengths), coins(0.5)
    rolled = parallel_passes(model, target, memory, truth=truth, choose=best_word)
    predicted = model.output(model.decode(target, memory).outputs).argmax(-1)
    after_truth = torch.cat([target[:, :1], predicted[:, :-1]], dim=1)
    truth[:, 0] = True
    assert rolled.inputs.equal(torch.where(truth, target, after_truth))
    torch.testing.assert_close(rolled.outputs, model.decode(rolled.inputs, memory).outputs)


def test_passes_enough_make_a_roll_out() -> None:
    model = build()
    source, lengths, target = batch(width=12)
    memory, truth = model.encode(source, lengths), coins(0.3, width=12)
    expected = roll_out(model, target, memory, truth=truth, choose=best_word).inputs
    wrong = [
        int((parallel_passes(model, target, memory, truth=truth, choose=best_word, passes=n).inputs != expected).sum())
        for n in (1, 3, 11)
    ]
    assert wrong[0] > wrong[1] > wrong[2] == 0


def passes_in_full(model: TranslationModel, target: Tensor, memory: Memory, truth: Tensor, passes: int) -> Tensor:
    """The definition: every pass reads all of what the last one left, and finds every replaced word anew."""
    inputs = target
    for _ in range(passes):
        predicted = model.output(model.decode(inputs, memory).outputs).argmax(-1).roll(1, dims=1)
        inputs = torch.where(truth, target, predicted)
    return inputs


@pytest.mark.parametrize("name", MODELS)
def test_a_pass_finds_only_what_a_later_one_needs_and_says_the_same(name: str) -> None:
    """Two whole passes over every word cost +28 to +29 % of a step; the first words are final at once, and no pass but
    the last one needs the last words."""
    model = build(**MODELS[name])
    source, lengths, target = batch(rows=40, width=10)
    memory, truth = model.encode(source, lengths), coins(0.6, rows=40, width=10)
    truth[:, 0] = True
    replaced = (~truth).sum(dim=1)
    assert {0, 1, 2} <= set(replaced.tolist())
    for passes in (1, 2, 3, 12):
        scored: list[int] = []

        def counting(logits: Tensor, scored: list[int] = scored) -> Tensor:
            scored.append(len(logits))
            return best_word(logits)

        rolled = parallel_passes(model, target, memory, truth=truth, choose=counting, passes=passes)
        assert rolled.inputs.equal(passes_in_full(model, target, memory, truth, passes))
        turns = replaced.clamp(max=passes)
        assert sum(scored) == int((turns * (replaced - turns + 1)).sum())


@pytest.mark.parametrize("way", [roll_out, parallel_passes])
def test_autocast_finds_words_and_keeps_every_gradient(way: object) -> None:
    """What steps without gradient turn to bf16 must not be what the trained pass then finds in autocast's cache."""
    model = build(cell="gru", attention="dot", deep_output=True)
    source, lengths, target = batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        memory = model.encode(source, lengths)
        rolled = way(model, target, memory, truth=coins(0.5), choose=best_word)
        loss = model.output(rolled.outputs).float().log_softmax(-1)[:, :, 7].square().sum()
    with torch.autocast("cpu", dtype=torch.bfloat16):  # another cache
        again = (
            model.output(model.decode(rolled.inputs, memory).outputs).float().log_softmax(-1)[:, :, 7].square().sum()
        )
    found, expected = (torch.autograd.grad(part, list(model.parameters()), retain_graph=True) for part in (loss, again))
    assert not rolled.inputs.equal(target) and not rolled.inputs.is_inference()
    for gradient, same in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, same)


@pytest.mark.parametrize("name", MODELS)
def test_an_output_matrix_packed_for_many_columns_says_the_same(name: str) -> None:
    model = build(**MODELS[name])
    torch.nn.init.normal_(model.output.bias)
    outputs = torch.randn(5, model.decoder.output_size)
    with torch.inference_mode():
        for times in (1, 100):
            torch.testing.assert_close(OutputSteps(model.output, times)(outputs), model.output(outputs))


def test_the_start_symbol_stays_whatever_the_coins_say() -> None:
    model = build()
    source, lengths, target = batch()
    for way in (step_by_step, roll_out, parallel_passes):
        truth = torch.zeros(5, 8, dtype=torch.bool)
        read = way(model, target, model.encode(source, lengths), truth=truth, choose=best_word).inputs
        assert read[:, 0].equal(target[:, 0]) and not read[:, 1:].eq(target[:, 1:]).all(dim=1).any()


def test_without_a_replaced_word_all_ways_read_the_target() -> None:
    model = build()
    source, lengths, target = batch()
    memory = model.encode(source, lengths)
    for way in (step_by_step, roll_out, parallel_passes):
        rolled = way(model, target, memory, truth=torch.ones(5, 8, dtype=torch.bool), choose=best_word)
        assert rolled.inputs.equal(target)
        torch.testing.assert_close(rolled.outputs, model.decode(target, memory).outputs)


@pytest.mark.parametrize("input_feeding", [False, True])
@pytest.mark.parametrize("way", [roll_out, parallel_passes])
def test_words_are_found_without_dropout_and_learnt_with_it(way: object, input_feeding: bool) -> None:
    dropout = {"input": 0.5, "output": 0.5, "token": 0.3, "recurrent": 0.3}
    model = build(dropout=dropout, input_feeding=input_feeding)
    plain = build(input_feeding=input_feeding)
    model.source_embedding.eval()  # whatever does not train must not do so afterwards
    source, lengths, target = batch()
    memory, truth = plain.encode(source, lengths), coins(0.4)
    found = [way(model, target, memory, truth=truth, choose=best_word) for _ in range(2)]
    assert found[0].inputs.equal(way(plain, target, memory, truth=truth, choose=best_word).inputs)
    assert not torch.allclose(found[0].outputs, found[1].outputs)
    assert not model.source_embedding.training and model.output_dropout.training and model.decoder.layers[0].training


def test_the_loop_drops_units_while_it_learns() -> None:
    model = build(dropout={"input": 0.5, "variational": True})
    source, lengths, target = batch()
    memory = build().encode(source, lengths)
    first, second = (step_by_step(model, target, memory, truth=coins(1.0), choose=best_word) for _ in range(2))
    assert not torch.allclose(first.outputs, second.outputs)


def test_only_what_is_replaced_is_predicted() -> None:
    """Vocabulary scores are the dearest part of a step, so nothing else may be scored."""
    model = build()
    source, lengths, target = batch()
    memory, truth = model.encode(source, lengths), coins(0.7)
    for way in (step_by_step, roll_out, parallel_passes):
        scored: list[int] = []

        def counting(logits: Tensor, scored: list[int] = scored) -> Tensor:
            scored.append(len(logits))
            return best_word(logits)

        way(model, target, memory, truth=truth, choose=counting)
        assert sum(scored) == int((~truth[:, 1:]).sum())
