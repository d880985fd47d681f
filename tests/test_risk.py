"""Expected reward: its estimated gradient is the true one, counted over all sentences there are, and it rises."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.config.model import ModelConfig
from nmt.config.training import RiskConfig
from nmt.data.batch import TranslationBatch
from nmt.metrics.gleu import sentence_gleu
from nmt.models.build import build_translation
from nmt.models.losses import LossSums
from nmt.models.translation import TranslationModel
from nmt.text.tokenizer import END, START
from nmt.training.translation.risk import Draw, advantages, draw_targets, weighted_log_likelihood, with_risk
from nmt.training.translation.task import batch_loss

WORDS = (4, 5)
LONGEST = 4  # twice the reference's two tokens
VOCABULARY = 6


def build(scale: float = 1.0, **options: Any) -> TranslationModel:
    torch.manual_seed(0)
    sizes = {"embedding_size": 6, "hidden_size": 6, "encoder_layers": 1, "decoder_layers": 2, "dropout": {"input": 0.0}}
    model = build_translation(
        ModelConfig.model_validate(sizes | {"initialization": {"scale": scale}} | options), VOCABULARY, VOCABULARY
    )
    with torch.no_grad():
        model.output.bias[[0, 1, 2]] = -40.0  # pad, unk and <s> are never said: the world stays small
    return model


def batch(*references: tuple[int, ...]) -> TranslationBatch:
    """Sources of two words; these references, `</s>` not included."""
    count = len(references)
    width = max(map(len, references)) + 1
    inputs, outputs = (torch.zeros(count, width, dtype=torch.long) for _ in range(2))
    for i, words in enumerate(references):
        inputs[i, : len(words) + 1] = torch.tensor([START, *words])
        outputs[i, : len(words) + 1] = torch.tensor([*words, END])
    lengths = torch.tensor([len(words) + 1 for words in references])
    source = torch.tensor([[4 + i % 2, 5, END] for i in range(count)])
    return TranslationBatch(source, torch.full((count,), 3), inputs, outputs, lengths, torch.arange(count))


def sentences(longest: int = LONGEST) -> list[tuple[int, ...]]:
    """All that can be drawn: sentences that end in time, and those that are cut."""
    ended = [(*words, END) for n in range(longest) for words in itertools.product(WORDS, repeat=n)]
    return ended + list(itertools.product(WORDS, repeat=longest))


def gradient(value: Tensor, model: TranslationModel) -> Tensor:
    grads = torch.autograd.grad(value, list(model.parameters()), allow_unused=True)
    return torch.cat(
        [torch.zeros(p.numel()) if g is None else g.flatten() for g, p in zip(grads, model.parameters(), strict=True)]
    )


def likelihoods(model: TranslationModel, data: TranslationBatch) -> Tensor:
    """P(Y) of every sentence for the only source of a batch, one word after another."""
    found = []
    for tokens in sentences():
        logits = model(data.source, data.source_lengths, torch.tensor([[START, *tokens[:-1]]]))
        found.append(logits.log_softmax(-1)[0, range(len(tokens)), tokens].sum().exp())
    return torch.stack(found)


def reward(tokens: tuple[int, ...], reference: tuple[int, ...]) -> float:
    return sentence_gleu([t for t in tokens if t != END], reference)


def test_the_estimate_is_right_on_average() -> None:
    """Over all pairs of draws, each as often as it is drawn, the mean is the gradient of the expected reward."""
    model, data = build(), batch((4,))
    probabilities = likelihoods(model, data)
    assert probabilities.sum().item() == pytest.approx(1.0, abs=1e-5)
    rewards = torch.tensor([reward(tokens, (4,)) for tokens in sentences()])
    expected = gradient((probabilities * rewards).sum(), model)
    draws = []
    chances = probabilities.tolist()
    for (i, one), (j, other) in itertools.product(enumerate(sentences()), repeat=2):
        pair = advantages([reward(one, (4,)), reward(other, (4,))])
        draws += [Draw(0, y, chances[i] * chances[j] * a / 2) for y, a in zip((one, other), pair, strict=True)]
    memory = model.encode(data.source, data.source_lengths)
    estimated = gradient(weighted_log_likelihood(model, memory, draws), model)
    assert expected.norm() > 0.01
    torch.testing.assert_close(estimated, expected, atol=1e-5, rtol=1e-3)


def test_draws_are_those_of_the_model_and_weighed_by_their_reward() -> None:
    model = build(dropout={"input": 0.9, "recurrent": 0.9})
    data = batch((4,), (5, 4, 5))
    plain = likelihoods(build(), batch((4,)))
    torch.manual_seed(3)
    samples = 4000
    draws, reward_of_all = draw_targets(model, data, samples=samples)
    assert model.training and {draw.sentence for draw in draws} == {0, 1}
    without = build()
    torch.manual_seed(3)
    assert draws == draw_targets(without, data, samples=samples).draws  # dropout has no say
    first = {draw.tokens: draw.weight for draw in draws if draw.sentence == 0}
    assert set(first) <= set(sentences()) and all(len(d.tokens) <= 8 for d in draws)
    rewards = torch.tensor([reward(tokens, (4,)) for tokens in sentences()])
    wanted = plain * (rewards - (plain * rewards).sum())
    found = torch.tensor([first.get(tokens, 0.0) for tokens in sentences()])
    torch.testing.assert_close(found, wanted.detach(), atol=0.02, rtol=0)
    alone = draw_targets(without, batch((4,)), samples=samples).reward
    assert alone == pytest.approx((plain * rewards).sum().item(), abs=0.02) and alone < reward_of_all < 2.0
    assert sum(first.values()) == pytest.approx(0.0, abs=1e-6)
    assert found.abs().max() > 0.05


def test_advantages_compare_with_the_others() -> None:
    assert advantages([1.0, 0.0]) == [1.0, -1.0]
    assert advantages([0.5, 0.5, 0.5]) == [0.0, 0.0, 0.0]
    assert advantages([0.9, 0.3, 0.0]) == pytest.approx([0.75, -0.15, -0.6])


def test_draws_in_a_batch_weigh_as_each_alone() -> None:
    model, data = build(), batch((4,), (5, 4))
    memory = model.encode(data.source, data.source_lengths)
    draws = [Draw(0, (4, 5, END), 0.5), Draw(1, (END,), -2.0), Draw(1, (5, 5, 5, 5), 1.0)]
    expected = torch.zeros(())
    for draw in draws:
        row = slice(draw.sentence, draw.sentence + 1)
        logits = model(data.source[row], data.source_lengths[row], torch.tensor([[START, *draw.tokens[:-1]]]))
        expected = expected + draw.weight * logits.log_softmax(-1)[0, range(len(draw.tokens)), draw.tokens].sum()
    torch.testing.assert_close(weighted_log_likelihood(model, memory, draws), expected)
    nothing = weighted_log_likelihood(model, memory, [])
    nothing.backward()
    assert nothing.item() == 0.0


def test_without_samples_the_likelihood_is_all_and_with_them_its_share() -> None:
    model, data = build(), batch((4,), (5, 4))
    plain = batch_loss(model, data)
    assert with_risk(plain, model, data, config=RiskConfig()) == (plain, None)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    mixed = [with_risk(plain, model, data, config=RiskConfig(samples=9, likelihood_weight=a))[0] for a in (0.0, 0.5)]
    torch.set_rng_state(state)
    again = with_risk(plain, model, data, config=RiskConfig(samples=9, likelihood_weight=0.0))[0].loss
    assert mixed[0].loss.item() == again.item() != mixed[1].loss.item()
    torch.set_rng_state(state)
    with_half, _ = with_risk(plain, model, data, config=RiskConfig(samples=9, likelihood_weight=0.5))
    assert (with_half.loss - again).item() == pytest.approx(0.5 * plain.loss.item(), rel=1e-5)
    assert with_half.negative_log_likelihood is plain.negative_log_likelihood


def test_the_expected_reward_rises() -> None:
    """By its own draws alone; the likelihood of the references has no say."""
    references = [(4, 5), (5,), (4, 4)]
    model, data = build(scale=0.5), batch(*references)
    data = data._replace(source=torch.tensor([[4, 4, END], [4, 5, END], [5, 4, END]]))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.04)

    def mean_reward() -> float:
        said = [(row, one) for row in range(3) for one in sampled(model, data, row)]
        return sum(reward(tokens, references[row]) for row, tokens in said) / len(said)

    before = mean_reward()
    for _ in range(40):
        optimizer.zero_grad()
        nothing = LossSums(torch.zeros(()), torch.zeros(()))
        with_risk(nothing, model, data, config=RiskConfig(samples=8, likelihood_weight=0.0))[0].loss.backward()
        optimizer.step()
    assert before < 0.4 and mean_reward() > 0.7


def sampled(model: TranslationModel, data: TranslationBatch, row: int, count: int = 20) -> list[tuple[int, ...]]:
    """Draws of the model's own for one source, each by reading it anew word after word."""
    found = []
    with torch.no_grad():
        memory = model.encode(data.source[row : row + 1], data.source_lengths[row : row + 1])
        for _ in range(count):
            tokens: list[int] = []
            while len(tokens) < 6 and END not in tokens:
                outputs = model.decode(torch.tensor([[START, *tokens]]), memory).outputs[:, -1]
                tokens.append(int(torch.multinomial(model.output(outputs).softmax(-1), 1)))
            found.append(tuple(tokens))
    return found
