"""Words fed back: the best one, or draws whose distribution is the softmax at the temperature asked for."""

import pytest
import torch

from nmt.models.feedback import Choose, GumbelNoise, Sample, best_word

LOGITS = torch.tensor([2.0, -1.0, 0.5, 1.5, 0.0])


def frequencies(choose: Choose, draws: int = 40_000) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.bincount(choose(LOGITS.expand(draws, -1)), minlength=5) / draws


def test_the_best_word_is_the_likeliest() -> None:
    assert best_word(torch.stack([LOGITS, -LOGITS])).tolist() == [0, 1]


@pytest.mark.parametrize("kind", [Sample, GumbelNoise])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_tempered_softmax(kind: type[Sample | GumbelNoise], temperature: float) -> None:
    expected = (LOGITS / temperature).exp() / (LOGITS / temperature).exp().sum()
    torch.testing.assert_close(frequencies(kind(temperature)), expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("kind", [Sample, GumbelNoise])
def test_only_the_best_words_are_drawn(kind: type[Sample | GumbelNoise]) -> None:
    weights = torch.tensor([LOGITS[0].exp(), 0.0, 0.0, LOGITS[3].exp(), 0.0])
    torch.testing.assert_close(frequencies(kind(1.0, 2)), weights / weights.sum(), atol=0.01, rtol=0)
    assert frequencies(kind(1.0, 99)).count_nonzero() == 5
    assert frequencies(kind(5.0, 1)).tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("choose", [best_word, Sample(0.7, 3), GumbelNoise(0.7, 3)])
def test_a_row_that_is_not_finite_still_gets_some_word(choose: Choose) -> None:
    """The draw ended training inside of torch; the loss that follows is not finite, and names the batch."""
    words = choose(torch.tensor([[float("nan")] * 5, [float("inf"), 0.0, 0.0, 0.0, 0.0], [0.0] * 5]))
    assert bool(((words >= 0) & (words < 5)).all())


@pytest.mark.parametrize("choose", [best_word, Sample(0.7, 3), GumbelNoise(0.7, 3)])
def test_half_precision_logits_will_do(choose: Choose) -> None:
    torch.manual_seed(0)
    words = choose(LOGITS.to(torch.bfloat16).expand(50, -1))
    assert words.dtype == torch.int64 and set(words.tolist()) <= {0, 2, 3}


@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2.0**-24])
def test_the_extremes_of_a_random_number_draw_no_word_that_was_left_out(
    uniform: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words left out have no weight wherever they stand, at the row's ends too."""
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.full(size, uniform))
    rows = torch.randn(200, 50, generator=torch.Generator().manual_seed(0))
    words = Sample(1.0, 3)(rows)
    allowed = rows.topk(3).indices.sort(dim=-1).values
    assert words.equal(allowed[:, -1] if uniform == 0.0 else allowed[:, 0])
