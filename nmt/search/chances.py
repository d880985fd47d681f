"""Random numbers that are a function of what they are for, and so the same in any order, batch or company.

Each counter goes through SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"),
started at what came out for the one before: integer arithmetic alone, the same on every machine.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - 2**64  # the constants of SplitMix64, as signed numbers
_MIXERS = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64), (31, 1))


def chances(seed: int, *counters: Int[Tensor, "*#shape"] | int) -> Float[Tensor, "*shape"]:
    """Numbers from [0, 1), multiples of 2^-48, in float64: a hash of the seed and the counters, in their order."""
    mixed = _mix(torch.tensor(seed, dtype=torch.long))  # before the first sum, or seed 1 of 2 would be seed 2 of 1
    for counter in counters:
        mixed = _mix(mixed.to(counter.device) + counter if isinstance(counter, Tensor) else mixed + counter)
    return _shifted(mixed, 16).double() / 2**48


def _mix(numbers: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """One output of SplitMix64; the 64 bits are a signed integer, and sums and products wrap."""
    numbers = numbers + _GOLDEN
    for shift, factor in _MIXERS:
        numbers = (numbers ^ _shifted(numbers, shift)) * factor
    return numbers


def _shifted(numbers: Int[Tensor, "*shape"], by: int) -> Int[Tensor, "*shape"]:
    """The bits moved to the right, zeros coming in from the left."""
    return (numbers >> by) & ((1 << (64 - by)) - 1)
