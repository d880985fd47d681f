"""Every kind of attention against its equation, masked, chunked."""

import pytest
import torch

from nmt.models import attention as module
from nmt.models.attention import AdditiveAttention, Attention, DotAttention, GeneralAttention

B, T, S, H = 2, 3, 5, 4


def kinds(size: int = H, attention_size: int = 6) -> dict[str, Attention]:
    torch.manual_seed(2)
    return {
        "normalized_additive": AdditiveAttention(size, size, attention_size),
        "additive": AdditiveAttention(size, size, attention_size, normalized=False),
        "general": GeneralAttention(size, size),
        "dot": DotAttention(),
        "scaled_dot": DotAttention(scale=size**-0.5),
    }


def expected_score(name: str, attention: Attention, q: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
    if name in ("dot", "scaled_dot"):
        return q @ m * (H**-0.5 if name == "scaled_dot" else 1.0)
    if name == "general":
        return q @ (attention.key.weight @ m)
    v = attention.score_vector
    if name == "additive":
        return v @ torch.tanh(attention.query.weight @ q + attention.key.weight @ m)
    inner = torch.tanh(attention.query.weight @ q + attention.key.weight @ m + attention.bias)
    return attention.gain * (v / v.norm()) @ inner


@pytest.mark.parametrize("name", kinds())
def test_scores_and_context_follow_the_equation(name: str) -> None:
    attention = kinds()[name]
    if name == "normalized_additive":
        assert attention.gain.item() == pytest.approx(6**-0.5) and not attention.bias.any()
        torch.nn.init.uniform_(attention.bias)
    query, memory = torch.randn(B, T, H), torch.randn(B, S, H)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    context, weights = attention(query, attention.project_keys(memory), memory, mask=mask)
    for b, length in enumerate((5, 3)):
        for t in range(T):
            scores = torch.stack([expected_score(name, attention, query[b, t], memory[b, s]) for s in range(length)])
            torch.testing.assert_close(weights[b, t, :length], scores.softmax(0), atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(context[b, t], scores.softmax(0) @ memory[b, :length], atol=1e-6, rtol=1e-5)
    assert not weights[1, :, 3:].any()


@pytest.mark.parametrize("name", ["normalized_additive", "additive"])
def test_additive_scores_by_the_sigmoid_are_those_of_tanh(name: str) -> None:
    """In float32 on a CPU tanh(z) is found as 2 σ(2 z) - 1, a third of the price; in float64 as itself."""
    attention = kinds(16, 32)[name]
    for factor in (0.01, 1.0, 30.0):  # near zero and saturated
        query, memory = factor * torch.randn(B, T, 16), torch.randn(B, S, 16)
        found, exact = [], []
        for results, dtype in ((found, torch.float32), (exact, torch.float64)):
            same = attention.to(dtype)
            inputs = [part.to(dtype).requires_grad_() for part in (query, memory)]
            scores = same.score(inputs[0], same.project_keys(inputs[1]))
            results += [scores, *torch.autograd.grad(scores.square().sum(), [*inputs, *same.parameters()])]
        for one, other in zip(found, exact, strict=True):
            assert (one.double() - other).norm() <= 2e-5 * other.norm()


def test_in_half_precision_additive_scores_keep_what_is_near_zero() -> None:
    """σ(2 z) is 0.5 there, and bfloat16 has no number between 0.498 and 0.5 + 2⁻⁸ but 0.5."""
    attention = kinds(16, 32)["additive"]
    query, keys = 1e-3 * torch.randn(B, T, 16), 1e-3 * torch.randn(B, S, 32)
    exact = attention.score(query, keys)
    found = attention.to(torch.bfloat16).score(query.bfloat16(), keys.bfloat16())
    assert (found.float() - exact).norm() <= 0.02 * exact.norm()


def test_chunks_change_neither_scores_nor_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = AdditiveAttention(H, H, 6)
    query, memory = torch.randn(B, 7, H, requires_grad=True), torch.randn(B, S, H, requires_grad=True)
    factors = torch.randn(B, 7, S)

    def run() -> list[torch.Tensor]:
        scores = attention.score(query, attention.project_keys(memory))
        inputs = [query, memory, *attention.parameters()]
        return [scores, *torch.autograd.grad((scores * factors).sum(), inputs)]

    whole = run()
    calls = []
    plain = module._additive_scores
    monkeypatch.setattr(module, "_additive_scores", lambda *args: calls.append(args[0].shape[1]) or plain(*args))
    monkeypatch.setattr(module, "CHUNK_ELEMENTS", B * S * 6 * 2)  # two query positions a chunk
    for a, b in zip(whole, run(), strict=True):
        torch.testing.assert_close(a, b)
    assert calls[:4] == [2, 2, 2, 1] and len(calls) == 8  # each chunk once more in the backward pass


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8, 13])
@pytest.mark.parametrize("name", ["normalized_additive", "scaled_dot"])
def test_a_query_has_the_same_bits_beside_any_number_of_others(name: str, rows: int) -> None:
    """How many rows of a sentence are left may depend on other sentences; their scores must not."""
    attention = kinds(64, 64)[name]
    memory, queries = torch.randn(3, 40, 64), torch.randn(3, 20, 64)
    mask = torch.ones(3, 40, dtype=torch.bool)
    with torch.no_grad():
        # products with weights are made elsewhere (nmt.inference.products); here all rows have theirs beforehand
        keys, attention.query = attention.project_keys(memory), torch.nn.Identity()
        expected = attention(queries, keys, memory, mask=mask)
        found = attention(queries[:, :rows], keys, memory, mask=mask)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other[:, :rows])
