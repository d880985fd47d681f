"""Attention over a memory whose keys are projected once, and passed in: no module remembers a sentence.

    additive            score(q, k) = vᵀ tanh(W_q q + W_k k)                         Bahdanau et al. 2015
    normalized additive score(q, k) = g · (v / ‖v‖)ᵀ tanh(W_q q + W_k k + b)         GNMT; g₀ = 1/√A, b₀ = 0
    general             score(q, k) = qᵀ W k                                         Luong et al. 2015
    dot, scaled dot     score(q, k) = s · qᵀ k, s = 1 or 1/√H                        Luong et al. 2015

Padding gets the dtype's minimum before a softmax in float32.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from nmt.models.linear import Linear

_FEWEST_ROWS = 4  # of a batched product on a CPU, where a row's bits are to be the same for any number of rows
CHUNK_ELEMENTS = 2_000_000  # of the B×T×S×A intermediate of additive scores that exist at a time


class Attention(nn.Module):
    """Base: `project_keys` once a sentence, `score` for T queries at a time (or K beams)."""

    def project_keys(self, memory: Float[Tensor, "B S M"]) -> Float[Tensor, "B S A"]:
        raise NotImplementedError

    def score(self, query: Float[Tensor, "B T H"], keys: Float[Tensor, "B S A"]) -> Float[Tensor, "B T S"]:
        raise NotImplementedError

    def score_one(self, query: Float[Tensor, "B H"], keys: Float[Tensor, "B S A"]) -> Float[Tensor, "B 1 S"]:
        """As `score` for one query a sentence, where last bits may depend on how many sentences there are."""
        return self.score(query[:, None], keys)

    def forward(
        self,
        query: Float[Tensor, "B T H"],
        keys: Float[Tensor, "B S A"],
        memory: Float[Tensor, "B S M"],
        *,
        mask: Bool[Tensor, "B S"],
    ) -> tuple[Float[Tensor, "B T M"], Float[Tensor, "B T S"]]:
        """Context vectors, and the weights they were averaged with (float32; zero on padding)."""
        scores = self.score(query, keys).float()
        scores = scores.masked_fill(~mask[:, None, :], torch.finfo(scores.dtype).min)
        weights = scores.softmax(dim=-1)
        return _products(weights.to(memory.dtype), memory), weights


class AdditiveAttention(Attention):
    """Scores by one hidden layer of `attention_size` units; normalized as in GNMT, or plain."""

    def __init__(self, query_size: int, memory_size: int, attention_size: int, *, normalized: bool = True) -> None:
        super().__init__()
        self.query = Linear(query_size, attention_size, bias=False)
        self.key = Linear(memory_size, attention_size, bias=False)
        self.score_vector = nn.Parameter(torch.empty(attention_size).uniform_(-0.1, 0.1))
        self.gain = nn.Parameter(torch.tensor(attention_size**-0.5)) if normalized else None
        self.bias = nn.Parameter(torch.zeros(attention_size)) if normalized else None

    def project_keys(self, memory: Float[Tensor, "B S M"]) -> Float[Tensor, "B S A"]:
        keys: Tensor = self.key(memory)
        return keys if self.bias is None else keys + self.bias.to(keys.dtype)

    def score(self, query: Float[Tensor, "B T H"], keys: Float[Tensor, "B S A"]) -> Float[Tensor, "B T S"]:
        projected = self.query(query)
        direction = self.score_vector if self.gain is None else self.gain * self.score_vector / self.score_vector.norm()
        vector = direction.to(projected.dtype)
        per_query = keys.numel()  # B·S·A, what one more query position costs
        chunks = projected.split(max(1, CHUNK_ELEMENTS // max(1, per_query)), dim=1)
        if len(chunks) == 1 or not torch.is_grad_enabled():
            return torch.cat([_additive_scores(chunk, keys, vector) for chunk in chunks], dim=1)
        # more than one chunk: keep none of the intermediates, compute them again in the backward pass
        scores = [
            checkpoint(_additive_scores, chunk, keys, vector, use_reentrant=False, preserve_rng_state=False)
            for chunk in chunks
        ]
        return torch.cat(scores, dim=1)


def _additive_scores(query: Tensor, keys: Tensor, vector: Tensor) -> Tensor:
    """Queries `B t A`, keys `B S A` and a vector `A` → `B t S`: vᵀ tanh(z), z = q + k.

    In float32 on a CPU as 2 vᵀ σ(2 z) - Σ v, which is the same: torch's σ takes 1.1 ns a number there, its tanh 4
    (AVX2, measured). In fewer bits σ would lose what tanh keeps of numbers near 0.
    """
    query, keys = query[:, :, None, :], keys[:, None, :, :]
    if keys.dtype != torch.float32 or keys.device.type != "cpu":
        return torch.matmul((query + keys).tanh_(), vector)
    return torch.matmul(torch.add(2 * query, keys, alpha=2).sigmoid_(), 2 * vector) - vector.sum()


class GeneralAttention(Attention):
    """A bilinear form: keys are projected to the query's size."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.key = Linear(memory_size, query_size, bias=False)

    def project_keys(self, memory: Float[Tensor, "B S M"]) -> Float[Tensor, "B S A"]:
        keys: Tensor = self.key(memory)
        return keys

    def score(self, query: Float[Tensor, "B T H"], keys: Float[Tensor, "B S A"]) -> Float[Tensor, "B T S"]:
        return _products(query.to(keys.dtype), keys.transpose(1, 2))

    def score_one(self, query: Float[Tensor, "B H"], keys: Float[Tensor, "B S A"]) -> Float[Tensor, "B 1 S"]:
        return torch.bmm(query[:, None].to(keys.dtype), keys.transpose(1, 2))


class DotAttention(Attention):
    """The memory itself is the key. Scale 1 learns far faster than 1/√H in a recurrent model."""

    def __init__(self, *, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def project_keys(self, memory: Float[Tensor, "B S M"]) -> Float[Tensor, "B S A"]:
        return memory

    def score(self, query: Float[Tensor, "B T H"], keys: Float[Tensor, "B S A"]) -> Float[Tensor, "B T S"]:
        return _products(query.to(keys.dtype) * self.scale, keys.transpose(1, 2))

    def score_one(self, query: Float[Tensor, "B H"], keys: Float[Tensor, "B S A"]) -> Float[Tensor, "B 1 S"]:
        return torch.bmm(query[:, None].to(keys.dtype) * self.scale, keys.transpose(1, 2))


def _products(rows: Float[Tensor, "B T I"], columns: Float[Tensor, "B I O"]) -> Float[Tensor, "B T O"]:
    """`torch.bmm`, by no fewer rows than `_FEWEST_ROWS` on a CPU.

    MKL has other kernels below 4 rows (measured), and how many rows a search has left may depend on other sentences.
    """
    count = rows.shape[1]
    if count >= _FEWEST_ROWS or rows.device.type != "cpu":
        return torch.bmm(rows, columns)
    more = rows.expand(-1, _FEWEST_ROWS, -1) if count == 1 else F.pad(rows, (0, 0, 0, _FEWEST_ROWS - count))
    return torch.bmm(more, columns)[:, :count]
