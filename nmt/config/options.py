"""A schema as a list: every option's dotted key, kind, default and description, and the nearest one to a typo.

`root` is the schema of a kind of run, from nmt/config/schema.py.
"""

import difflib
import functools
import types
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from nmt.config.data import CorpusSource
from nmt.config.lines import LineSource
from nmt.config.values import Frozen

# What other toolkits call it; a guess by spelling would lead elsewhere. The first that the kind of run has is meant.
FAMILIAR = {
    "alpha": ("search.length_penalty", "search.language_weight"),
    "augment": ("data.augmentation.enabled",),
    "batch_size": ("data.batch_target_tokens", "data.batch_columns"),
    "beam": ("search.beam_size",),
    "beam_width": ("search.beam_size",),
    "beta": ("search.coverage_penalty", "search.insertion_bonus"),
    "cnn": ("model.frontend.blocks",),
    "color": ("model.frontend.colour",),
    "diversity_penalty": ("search.diverse_beam_strength",),
    "dropout": ("model.dropout.input",),
    "epochs": ("train.max_epochs",),
    "image_height": ("model.frontend.height",),
    "img_height": ("model.frontend.height",),
    "layers": ("model.encoder_layers", "model.layers"),
    "lm": ("search.language_model",),
    "lr": ("train.optimizer.learning_rate",),
    "ngram": ("search.no_repeat_ngram", "search.ngram_order"),
    "num_beam_groups": ("search.diverse_beam_groups",),
    "src": ("data.source",),
    "steps": ("train.max_steps",),
    "tgt": ("data.target",),
    "trg": ("data.target",),
    "valid": ("data.validation",),
    "vocab_size": ("tokenizer.vocabulary_size",),
    "warmup": ("train.schedule.warmup_steps",),
}

# The sections that a list of corpora holds → how else one of them can be written
CORPORA: dict[Any, str] = {
    CorpusSource: "a path, PREFIX of two files, demo:SPLIT, hub:ID, or a list of these",
    LineSource: "a table, a folder of pairs, a page or a folder of them, digits:SPLIT, pendigits:SPLIT:FILE, hub:ID,"
    " or a list of these",
}

_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


class Option(NamedTuple):
    """One thing that can be set, `--KEY VALUE`."""

    key: str  # "model.hidden_size"
    kind: str  # "integer ≥ 1", "true or false", "lstm, gru, rnn or peephole"
    default: Any  # as in a YAML file
    description: str
    field: FieldInfo


@functools.cache
def options(root: type[Frozen]) -> dict[str, Option]:
    """Every option by its dotted key, in the order of the schema."""
    return {option.key: option for option in _options(root, "", root().model_dump(mode="json"))}


def section(key: str, root: type[Frozen]) -> type[Frozen] | None:
    """The part of the schema that a dotted key names ("" is all of it); None for anything but a section."""
    found = root
    for name in key.split(".") if key else ():
        field = found.model_fields.get(name)
        below = _section(field) if field is not None else None
        if below is None:
            return None
        found = below
    return found


def nearest(key: str, root: type[Frozen]) -> str | None:
    """The option or section that `key` was probably meant to be."""
    head, _, name = key.rpartition(".")
    keys = [*options(root), *_section_keys(root, "")]
    familiar = [meant for meant in FAMILIAR.get(name, ()) if meant in keys]
    if familiar and key not in keys:
        return familiar[0]
    here = section(head, root)
    siblings = list(here.model_fields) if here is not None else []
    if close := difflib.get_close_matches(name, siblings, n=1, cutoff=0.7):
        return f"{head}.{close[0]}" if head else close[0]
    elsewhere = [k for k in keys if k.rpartition(".")[2] == name.replace("-", "_")]
    if elsewhere:
        return elsewhere[0]
    return next(iter(difflib.get_close_matches(key, keys, n=1, cutoff=0.75)), None) or _near_leaf(name, keys)


def takes_text(field: FieldInfo) -> bool:
    """Whether a value of this field is a word: a string, or one of several words."""
    kinds = _without_none(field.annotation)
    return kinds == [str] or (len(kinds) == 1 and get_origin(kinds[0]) is Literal)


def takes_corpora(field: FieldInfo) -> bool:
    """Whether a value of this field is a list of corpora, which a plain word can stand for."""
    return item_of(field) in CORPORA


def item_of(field: FieldInfo) -> type[Frozen] | None:
    """The section that a value of this field is a list of; None for any other field."""
    members = get_args(field.annotation) if get_origin(field.annotation) is tuple else ()
    item = members[0] if members[1:] == (Ellipsis,) else None
    return item if isinstance(item, type) and issubclass(item, Frozen) else None


def takes_flag(field: FieldInfo) -> bool:
    """Whether a value of this field is true or false."""
    return _without_none(field.annotation) == [bool]


def may_be_null(field: FieldInfo) -> bool:
    """Whether this field can be left open with `null`."""
    return type(None) in _members(field.annotation)


def _options(model: type[Frozen], prefix: str, defaults: Any) -> Iterator[Option]:
    for name, field in model.model_fields.items():
        below = _section(field)
        if below is not None:
            yield from _options(below, f"{prefix}{name}.", defaults[name])
        else:
            yield Option(f"{prefix}{name}", _kind(field), defaults[name], field.description or "", field)


def _section(field: FieldInfo) -> type[Frozen] | None:
    """The section that stands in a field; None where a value does."""
    below = field.annotation
    return below if isinstance(below, type) and issubclass(below, Frozen) else None


def _section_keys(model: type[Frozen], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        below = _section(field)
        if below is not None:
            yield f"{prefix}{name}"
            yield from _section_keys(below, f"{prefix}{name}.")


def _near_leaf(name: str, keys: list[str]) -> str | None:
    """The option whose last part looks most like `name`, wherever it stands."""
    leaves = {key.rpartition(".")[2]: key for key in reversed(keys)}
    close = difflib.get_close_matches(name, leaves, n=1, cutoff=0.75)
    return leaves[close[0]] if close else None


def _kind(field: FieldInfo) -> str:
    """What values a field takes, in words."""
    item = item_of(field)
    if item is not None:
        return CORPORA.get(item, f"list of sections with {', '.join(item.model_fields)}")
    words = [_word(member) for member in _without_none(field.annotation)]
    bounds = dict.fromkeys(
        f"{sign} {getattr(limit, name):,}"
        for limit in _limits(field)
        for name, sign in _BOUNDS.items()
        if getattr(limit, name, None) is not None
    )
    return " or ".join(words) + (f" {' and '.join(bounds)}" if bounds else "")


def _limits(field: FieldInfo) -> list[Any]:
    """The bounds on a field, also where only one member of a union (`Count | None`) has them."""
    limits = list(field.metadata)
    for member in get_args(field.annotation):
        for extra in getattr(member, "__metadata__", ()):
            limits.extend(extra.metadata if isinstance(extra, FieldInfo) else [extra])
    return limits


def _word(kind: Any) -> str:
    """One type in a word or two."""
    if get_origin(kind) is Literal:
        *others, last = get_args(kind)
        return f"{', '.join(map(str, others))} or {last}" if others else str(last)
    if get_origin(kind) is tuple:
        members = get_args(kind)
        inner = _word(_plain(members[0]))
        return f"list of {inner}" if Ellipsis in members else f"list of {len(members)} {inner}s"
    return {int: "integer", float: "number", bool: "true or false", str: "text"}.get(kind, str(kind))


def _without_none(annotation: Any) -> list[Any]:
    """The types that a field takes beside null."""
    return [member for member in _members(annotation) if member is not type(None)]


def _members(annotation: Any) -> list[Any]:
    """`Count | None` → [int, NoneType]."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [_plain(member) for member in get_args(annotation)]
    return [_plain(annotation)]


def _plain(annotation: Any) -> Any:
    """`Annotated[int, ...]` → int."""
    return annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation
