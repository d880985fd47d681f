"""YAML in and out, as YAML 1.2 has it: `no` and `on` are words, 1e-3 is a number, and a key stands in one place only.

Every value remembers its line, and how a number was written, so that an error can show where and a field for text can
take `32` for "32". Aliases, tags and merge keys are refused: a configuration says what it means where it means it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from nmt.errors import ConfigError

Key = tuple[str | int, ...]  # ("data", "train", 0, "path")
BRACKETS = 5_000  # opened at most: they take the parser time that grows with their square
Value = Any  # None, bool, int, float, str, and lists and string-keyed dictionaries of these

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE, _FALSE = re.compile("true|True|TRUE"), re.compile("false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_STRING_TAG = "tag:yaml.org,2002:str"


class Document(NamedTuple):
    """The values of a YAML text, and for every key below them its line and, of a plain scalar, its spelling."""

    value: Value
    lines: dict[Key, int]
    spellings: dict[Key, str]


def read_document(text: str, *, name: str) -> Document:
    """Parse one YAML document; `name` stands for it in errors.

    Raises ConfigError with line and column for what is no YAML, and with all repeated keys.
    """
    if text.count("[") + text.count("{") > BRACKETS:
        raise ConfigError(f"{name}: nested too deeply; is it a configuration?")
    try:
        problems = list(_unsupported(yaml.parse(text, Loader=yaml.SafeLoader)))
        node = None if problems else yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}{_explain(error)}") from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply; is it a configuration?") from None
    document = Document(None, {}, {})
    if node is not None:
        value = _value(node, (), document, problems)
        document = document._replace(value=value)
    if problems:
        raise ConfigError("\n".join(f"{name}:{problem}" for problem in problems))
    return document


def write_document(value: Value) -> str:
    """A YAML text that `read_document` and any YAML 1.1 parser read as `value`."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _unsupported(events: Iterable[yaml.Event]) -> Iterator[str]:
    """Lines with what YAML has and a configuration has not."""
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        tag = getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent):
            yield f"{line}: aliases (*{event.anchor}) are not supported"
        elif isinstance(event, yaml.NodeEvent) and tag is not None:
            yield f"{line}: tags ({tag}) are not supported"


def _explain(error: yaml.YAMLError) -> str:
    """Place and complaint of a syntax error, in one line."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # a character that YAML does not allow has no mark
        return f": not YAML: {str(error).splitlines()[0]}"
    problem = getattr(error, "problem", None) or "not YAML"
    if "\\t" in problem:
        problem = "a tab in the indentation; YAML wants spaces"
    return f":{mark.line + 1}:{mark.column + 1}: {problem}"


def _value(node: Node, key: Key, document: Document, problems: list[str]) -> Value:
    document.lines.setdefault(key, node.start_mark.line + 1)
    if isinstance(node, MappingNode):
        return dict(_items(node, key, document, problems))
    if isinstance(node, SequenceNode):
        return [_value(item, (*key, i), document, problems) for i, item in enumerate(node.value)]
    text: str = node.value
    if not isinstance(node, ScalarNode) or node.style is not None:  # quoted, or a block
        return text
    document.spellings[key] = text
    return plain_value(text)


def _items(node: MappingNode, key: Key, document: Document, problems: list[str]) -> Iterator[tuple[str, Value]]:
    """Keys and values of a mapping; a repeated key becomes a problem."""
    seen: dict[str, int] = {}
    for name_node, value_node in node.value:
        line = name_node.start_mark.line + 1
        if not isinstance(name_node, ScalarNode):
            problems.append(f"{line}: a key must be a word")
            continue
        name = name_node.value
        place = (*key, name)
        if name in seen:
            dotted = ".".join(map(str, place))
            problems.append(f"{line}: {dotted}: stands here a second time, after line {seen[name]}; remove one")
            continue
        seen[name] = line
        document.lines[place] = line
        yield name, _value(value_node, place, document, problems)


def plain_value(text: str) -> bool | int | float | str | None:
    """What an unquoted word means in YAML 1.2."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < 1000 else text  # Python refuses to convert thousands of digits
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def write_value(value: Value) -> str:
    """A value in one line of YAML, as it may stand in a file or, quoted for the shell, on the command line."""
    text = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return text.removesuffix("\n").removesuffix("\n...")


class _Dumper(yaml.SafeDumper):
    """Quotes what either YAML 1.1 or 1.2 would take for something other than text."""

    def represent_text(self, text: str) -> ScalarNode:
        style = None if isinstance(plain_value(text), str) else "'"
        if not text.isprintable():
            style = '"'
        return self.represent_scalar(_STRING_TAG, text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)
