"""The type checker that jaxtyping puts around every function of nmt while tests run (see conftest.py)."""

from collections.abc import Callable
from typing import Any

from beartype import beartype
from beartype.roar import BeartypeDecorHintPep673Exception


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """beartype, but for methods that say `Self`, which it can only check when it decorates their whole class."""
    try:
        return beartype(function)
    except BeartypeDecorHintPep673Exception:
        return function
