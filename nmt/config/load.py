"""A configuration by name or path, with overrides from the command line, and back to YAML.

    load_config("gnmt_small", ["--model.hidden_size", "512", "--train.max_steps=1000", "--data.streaming"])

An override's value is YAML, except where the option is text or a corpus: there it is taken as it stands, so that a
path may hold `: ` or ` #`. All problems are reported at once, a line each.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from nmt.config.data import CorpusSource
from nmt.config.document import Document, Key, Value, plain_value, read_document, write_document
from nmt.config.find import find_config
from nmt.config.lines import LineSource
from nmt.config.options import Option, item_of, may_be_null, options, section, takes_corpora, takes_flag, takes_text
from nmt.config.problems import COMMAND_LINE, explain, unknown_option
from nmt.config.schema import Root, RunConfig, root_of
from nmt.config.values import Frozen
from nmt.errors import ConfigError


class Override(NamedTuple):
    """`--model.hidden_size 512`; the value is None where none was given."""

    key: str
    value: str | None


def load_config(name_or_path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration `configs/NAME.yaml`, or of a YAML file or a run's folder, with overrides.

    Its `task` says of which kind; a file without one is a translator's, and one without a `name` is named after itself.
    Raises ConfigError with one line for each problem.
    """
    path = find_config(name_or_path)
    document = _read(path)
    values = {} if document.value is None else document.value
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold options such as `seed: 1`, not {type(values).__name__}")
    if re.fullmatch(r"[A-Za-z0-9._-]+", path.stem):
        values.setdefault("name", path.stem)
    places = {key: f"{path}:{line}" for key, line in document.lines.items()}
    places[()] = str(path)
    given = parse_overrides(overrides)
    root = _root(values, places, given)
    _respell(values, (), root, document.spellings)
    written = _training_sources(values, root)
    problems = _apply(values, places, given, root)
    try:
        config = _without_foreign_sets(root.model_validate(values), written, places)
    except ValidationError as error:
        problems += explain(error, places, root)
    if problems:
        lines = list(dict.fromkeys(problems))
        raise ConfigError("\n  ".join([f"{len(lines)} problems:", *lines] if len(lines) > 1 else lines))
    return config


def dump_yaml(config: RunConfig) -> str:
    """YAML that `load_config` reads as the same configuration, every default written out, the task first."""
    return write_document(config.model_dump(mode="json"))


def asked_task(overrides: Sequence[Override]) -> str | None:
    """The last `--task WORD` among overrides, None where there is none."""
    words = [override.value for override in overrides if override.key == "task"]
    return words[-1] if words else None


def parse_overrides(arguments: Iterable[str]) -> list[Override]:
    """`--key value`, `--key=value` and, for what is true or false, `--key` alone.

    Raises ConfigError for a word that belongs to no key.
    """
    parsed: list[Override] = []
    stray: list[str] = []
    for argument in arguments:
        if argument.startswith("--") and len(argument) > 2:
            key, equals, value = argument[2:].partition("=")
            parsed.append(Override(key, value if equals else None))
        elif parsed and parsed[-1].value is None:
            parsed[-1] = parsed[-1]._replace(value=argument)
        else:
            stray.append(argument)
    if stray:
        raise ConfigError(f"{COMMAND_LINE}: {stray[0]!r} belongs to no option; options are --section.key VALUE")
    return parsed


def _training_sources(values: Mapping[str, Value], root: Root) -> Sequence[CorpusSource | LineSource]:
    """What a file trains on; nothing where that is no corpus, which will be said elsewhere."""
    data = values.get("data")
    try:
        return root.model_validate({"data": {"train": data["train"]}}).data.train if isinstance(data, dict) else ()
    except (KeyError, ValidationError):
        return ()


def _without_foreign_sets(
    config: RunConfig, written: Sequence[CorpusSource | LineSource], places: Mapping[Key, str]
) -> RunConfig:
    """Without validation and test sets of a collection that the file trains on and the command line does not.

    With `--config gnmt_small --data.train corpus/train` nobody means the embedded grammar's test set.
    """
    left = {one.collection for one in written} - {one.collection for one in config.data.train} - {None}
    changed = {
        name: tuple(one for one in getattr(config.data, name) if one.collection not in left)
        for name in ("validation", "test")
        if places.get(("data", name)) != COMMAND_LINE
    }
    return config.model_copy(update={"data": config.data.model_copy(update=changed)}) if left else config


def _read(path: Path) -> Document:
    try:
        return read_document(path.read_text(encoding="utf-8-sig"), name=str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start + 1} is not UTF-8") from None


def _root(values: dict[str, Value], places: Mapping[Key, str], overrides: Sequence[Override]) -> Root:
    """The schema of the kind of run that the command line asks for, or else the file. Raises ConfigError for a wrong
    word, and where the two differ: hardly an option of the file would fit."""
    written, asked = values.get("task"), asked_task(overrides)
    try:
        place = f"{places.get(('task',), places[()])}: task"
        root = root_of(written)
        place = f"{COMMAND_LINE}: --task"
        if asked is not None and root_of(asked) is not root and written is not None:
            raise ConfigError(f"{places[()]} is a configuration of {written} runs; choose another --config")
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
    return root if asked is None else root_of(asked)


def _respell(value: Value, key: Key, model: type[Frozen], spellings: Mapping[Key, str]) -> None:
    """`precision: 32` in a file means the word "32", as `name: 2024` means a name."""
    for name, field in model.model_fields.items() if isinstance(value, dict) else ():
        below, place = value.get(name), (*key, name)
        item, here = item_of(field), section(name, model)
        if here is not None:
            _respell(below, place, here, spellings)
        elif item is not None:
            for i, one in enumerate(below if isinstance(below, list) else ()):
                _respell(one, (*place, i), item, spellings)
            if isinstance(below, dict):
                _respell(below, place, item, spellings)
        elif takes_text(field) and below is not None and not isinstance(below, (str, list, dict)):
            value[name] = spellings[place]


def _apply(
    values: dict[str, Value], places: dict[Key, str], overrides: Sequence[Override], root: type[Frozen]
) -> list[str]:
    """Put every override into `values`, note its place, and return what is wrong with those that cannot go there."""
    known = options(root)
    problems = []
    for key, text in overrides:
        option = known.get(key)
        if option is None and section(key, root) is None:
            problems.append(f"{COMMAND_LINE}: --{key}: {_unknown(key, root)}")
            continue
        if text is None and not (option is not None and takes_flag(option.field)):
            problems.append(f"{COMMAND_LINE}: --{key}: needs a value" + (f" ({option.kind})" if option else ""))
            continue
        try:
            value = True if text is None else _parse(text, option)
        except ConfigError as error:
            problems.append(f"{COMMAND_LINE}: --{key}: {str(error).removeprefix('value:')}")
            continue
        for place, leaf in _leaves(tuple(key.split(".")), value, root, merge=option is None):
            _set(values, places, place, leaf, root)
    return problems


def _unknown(key: str, root: type[Frozen]) -> str:
    """What to say of an override that nothing answers to."""
    head, _, name = key.rpartition(".")
    above = options(root).get(head)
    item = item_of(above.field) if above is not None else None
    if item is not None and name in item.model_fields:
        inside = ", ".join(f"{part}: ..." for part in dict.fromkeys([*_needed(item), name]))
        return f"goes inside the value: --{head} '[{{{inside}}}]'"
    return unknown_option(key, root)


def _needed(model: type[Frozen]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]


def _parse(text: str, option: Option | None) -> Value:
    """The value that `text` stands for, given what it is for."""
    quoted = text[:1] in ("'", '"')
    if option is not None and takes_text(option.field) and not quoted:
        return None if may_be_null(option.field) and plain_value(text) is None else text
    if option is not None and takes_corpora(option.field) and not quoted and text[:1] not in ("[", "{"):
        return [] if plain_value(text) is None else text
    return read_document(text, name="value").value


def _leaves(key: Key, value: Value, root: type[Frozen], *, merge: bool) -> Iterator[tuple[Key, Value]]:
    """`--model {hidden_size: 8, dropout: {input: 0}}` sets two options and leaves the rest of the section alone."""
    if merge:
        value = _spelled_out(key, value, root)
    if merge and isinstance(value, dict) and value:
        for name, below in value.items():
            place = (*key, name)
            yield from _leaves(place, below, root, merge=section(".".join(map(str, place)), root) is not None)
    else:
        yield key, value


def _spelled_out(key: Key, value: Value, root: type[Frozen]) -> Value:
    """What `value` stands for in the place of a section: {kind: constant, start: 0.8} for a teacher forcing of 0.8."""
    here = section(".".join(map(str, key)), root)
    return value if here is None else here.spelled_out(value)


def _set(values: dict[str, Value], places: dict[Key, str], key: Key, value: Value, root: type[Frozen]) -> None:
    """Set one option. Where the file has a value above it, nothing: validation will say that it is no section."""
    holder: Any = values
    for depth, part in enumerate(key[:-1], start=1):
        if not isinstance(holder.get(part), dict):
            above = _spelled_out(key[:depth], holder.get(part), root)
            if above is not None and not isinstance(above, dict):
                return
            holder[part] = above or {}
        holder = holder[part]
    holder[key[-1]] = value
    for below in [place for place in places if place[: len(key)] == key]:
        del places[below]
    places[key] = COMMAND_LINE
