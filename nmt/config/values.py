"""What every section of a configuration is made of: the strict kinds of values and the frozen base."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

# Strict: YAML's `true` is no 1, "3" no 3 and 1 no `true`; an integer is a number still.
Flag = Annotated[bool, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
NonNegative = Annotated[int, Field(ge=0, strict=True)]
Probability = Annotated[float, Field(ge=0.0, lt=1.0, strict=True)]


def as_list(value: Any, kind: type[BaseModel], parse: Callable[[str], dict[str, str]]) -> Any:
    """A text, a mapping or a list of both → a list of mappings; of a text, what `parse` reads in it."""
    if isinstance(value, (str, dict, kind)):
        value = [value]
    if isinstance(value, (list, tuple)):
        return [parse(item) if isinstance(item, str) else item for item in value]
    return value


class Frozen(BaseModel):
    """Base of every section: unknown keys are errors, values do not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def spelled_out(cls, value: Any) -> Any:
        """What a plain value in the place of this section stands for; by default nothing, so that it is an error."""
        return value
