"""Result set management (XEP-0059): long answers in pages, forwards only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from emulators.xmpp.element import Element
from emulators.xmpp.namespaces import PAGING
from emulators.xmpp.stanza import Condition, StanzaError

TAG = f"{{{PAGING}}}set"
_T = TypeVar("_T")


@dataclass(frozen=True)
class PageRequest:
    """Asks for at most `max` items (None: as many as there are) that come after the item with the key `after`."""

    max: int | None = None
    after: str | None = None

    def to_element(self) -> Element:
        """The element <set/> of a request."""
        element = Element(TAG)
        _put(element, "max", self.max)
        _put(element, "after", self.after)
        return element

    @classmethod
    def find(cls, payload: Element) -> PageRequest:
        """What page a payload asks for; without a <set/> it asks for everything.

        Raises StanzaError: bad-request, or feature-not-implemented for paging backwards or by index.
        """
        element = payload.find(TAG)
        if element is None:
            return cls()
        if _get(element, "before") is not None or _get(element, "index") is not None:
            raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, "pages are given forwards only")
        return cls(_number(_get(element, "max"), "max"), _get(element, "after"))


@dataclass(frozen=True)
class Page:
    """Which part of the whole a page is: keys of its `first` and `last` item, the first's index, `count` of all items.

    An empty page has no first and no last.
    """

    first: str | None
    first_index: int | None
    last: str | None
    count: int | None

    def to_element(self) -> Element:
        """The element <set/> of an answer."""
        element = Element(TAG)
        _put(element, "first", self.first)
        if self.first is not None and self.first_index is not None:
            element[0].set("index", str(self.first_index))
        _put(element, "last", self.last)
        _put(element, "count", self.count)
        return element

    @classmethod
    def find(cls, payload: Element) -> Page | None:
        """Which part a payload holds, None when it does not say. Raises StanzaError (bad-request)."""
        element = payload.find(TAG)
        if element is None:
            return None
        first = element.find(f"{{{PAGING}}}first")
        index = None if first is None else _number(first.get("index"), "index")
        return cls(_get(element, "first"), index, _get(element, "last"), _number(_get(element, "count"), "count"))


def paginate(items: Sequence[_T], key: Callable[[_T], str], request: PageRequest) -> tuple[list[_T], Page]:
    """The items of the page that is asked for, and which part they are; `key` gives each item's own key.

    Raises StanzaError (item-not-found) when there is no item with the key `request.after`.
    """
    start = 0
    if request.after is not None:
        keys = [key(item) for item in items]
        if request.after not in keys:
            raise StanzaError(Condition.ITEM_NOT_FOUND, "there is no item with this key to go on from")
        start = keys.index(request.after) + 1
    end = len(items) if request.max is None else start + request.max
    page = list(items[start:end])
    if not page:
        return page, Page(None, None, None, len(items))
    return page, Page(key(page[0]), start, key(page[-1]), len(items))


def _put(element: Element, name: str, value: str | int | None) -> None:
    if value is not None:
        child = Element(f"{{{PAGING}}}{name}")
        child.text = str(value)
        element.append(child)


def _get(element: Element, name: str) -> str | None:
    return element.findtext(f"{{{PAGING}}}{name}")


def _number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise StanzaError(Condition.BAD_REQUEST, f"{name} must be a number from 0 to 999999999")
    return int(text)
