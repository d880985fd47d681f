"""XML of pages, read so that a hostile file can do nothing: no document type, so no entity, internal or external."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from nmt.errors import DataError


def read_markup(path: str) -> Element:
    """The root element of a file, its namespaces taken off. DataError for what is no XML, or has a DOCTYPE."""
    try:
        root = ElementTree.parse(path, ElementTree.XMLParser(target=_Builder(path))).getroot()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # also an encoding that there is not
        raise DataError(f"{path}: is no XML that can be read ({error})") from error
    assert root is not None  # no element is a ParseError
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def child(element: Element, *names: str) -> Element | None:
    """The first element down a path of tags."""
    found: Element | None = element
    for name in names:
        found = None if found is None else found.find(name)
    return found


def descendants(element: Element, name: str) -> Iterator[Element]:
    """All elements of a tag, in the document's order."""
    return element.iter(name)


class _Builder(ElementTree.TreeBuilder):
    """Refuses a document type, in which alone entities can be declared, before it is read."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise DataError(f"{self._path}: has a DOCTYPE, through which XML attacks its readers; remove it")
