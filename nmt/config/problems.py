"""From pydantic's errors to one line each: where it stands, which option, what is wrong, what was meant."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from nmt.config.document import Key
from nmt.config.options import item_of, nearest, options, section
from nmt.config.schema import ROOTS
from nmt.config.values import Frozen

COMMAND_LINE = "command line"
_BOUNDS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_COMPARISONS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}
_KINDS = {
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}


def explain(error: ValidationError, places: Mapping[Key, str], root: type[Frozen]) -> list[str]:
    """One line for each problem with a `root`; `places` says where a key, or one above it, was set."""
    return [_line(dict(problem), places, root) for problem in error.errors()]


def unknown_option(key: str, root: type[Frozen]) -> str:
    """What to say of a key that the schema does not have."""
    head, _, name = key.rpartition(".")
    field = options(root).get(head)
    item = item_of(field.field) if field is not None else None
    if item is not None:
        near = difflib.get_close_matches(name, item.model_fields, n=1)
        known = f"did you mean {near[0]}?" if near else f"one of {head} has {', '.join(item.model_fields)}"
        return f"unknown option; {known}"
    if field is not None:
        return f"unknown option; {head} is a value ({field.kind}), nothing stands below it"
    owner = _owner(key)
    if owner is not None:
        ours = "".join(f", and this is a {task} run" for task, other in ROOTS.items() if other is root)
        return f"unknown option; it belongs to {owner} runs{ours} (`task: {owner}` in its file makes the other)"
    meant = nearest(key, root)
    if meant is not None:
        return f"unknown option; did you mean {meant}?"
    here = section(head, root)
    return "unknown option" + (f"; {head or 'a configuration'} has {', '.join(here.model_fields)}" if here else "")


def _owner(key: str) -> str | None:
    """The task of those runs that have this option or section."""
    return next((task for task, root in ROOTS.items() if key in options(root) or section(key, root)), None)


def dotted(key: Key) -> str:
    """("data", "train", 0, "path") → data.train[0].path"""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def _line(problem: dict[str, Any], places: Mapping[Key, str], root: type[Frozen]) -> str:
    key: Key = problem["loc"]
    place = next((places[key[:end]] for end in range(len(key), -1, -1) if key[:end] in places), "")
    if key and problem["type"] == "value_error" and _given_now(key, places):
        place = COMMAND_LINE
    name = dotted(key)
    if place == COMMAND_LINE:
        name = f"--{name}"
    return ": ".join(filter(None, (place, name, _complaint(problem, key, root))))


def _given_now(key: Key, places: Mapping[Key, str]) -> bool:
    """Whether the command line set anything in a section whose values do not go together: most likely it is that."""
    return any(place == COMMAND_LINE for below, place in places.items() if below[: len(key)] == key)


def wrong_value(problem: Mapping[str, Any]) -> str:
    """What is wrong with a value by itself, in our words: one of pydantic's problems with a number or a word."""
    kind, got = problem["type"], f"got {_shown(problem['input'])}"
    if kind in _BOUNDS:
        bound = _BOUNDS[kind]
        return f"must be {_COMPARISONS[bound]} {problem['ctx'][bound]:,}, {got}"
    if kind in _KINDS:
        return f"{_KINDS[kind]}, {got}"
    if kind == "value_error":
        return str(problem["msg"]).removeprefix("Value error, ")
    return f"{problem['msg'][:1].lower()}{problem['msg'][1:]}, {got}"


def _complaint(problem: dict[str, Any], key: Key, root: type[Frozen]) -> str:
    kind, given, context = problem["type"], problem["input"], problem.get("ctx", {})
    got = f"got {_shown(given)}"
    if kind == "extra_forbidden":
        return unknown_option(".".join(part for part in key if isinstance(part, str)), root)
    if kind == "literal_error":
        option = options(root).get(dotted(key))
        choices = option.kind if option else str(context["expected"]).replace("'", "")
        words = choices.replace(" or ", ", ").split(", ")
        near = difflib.get_close_matches(str(given), words, n=1)
        return f"must be {choices}, {got}" + (f"; did you mean {near[0]}?" if near else "")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        below = section(dotted(key), root)
        names = ", ".join(f"{dotted(key)}.{name}" for name in below.model_fields) if below else "path: ..."
        number = "a number or " if below is not None and below.spelled_out(1.0) != 1.0 else ""
        return f"is {number}a section ({names}), {got}"
    return "must be given" if kind == "missing" else wrong_value(problem)


def _shown(value: Any) -> str:
    """A value as in YAML, cut where it is long."""
    text = (
        {True: "true", False: "false", None: "null"}[value]
        if value is None or value is True or value is False
        else repr(value)
    )
    return text if len(text) <= 80 else f"{text[:77]}..."
