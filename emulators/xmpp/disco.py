"""Service discovery (XEP-0030): what an entity is and can do, and what it has."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.xmpp.element import Element
from emulators.xmpp.jid import Jid
from emulators.xmpp.namespaces import DISCO_INFO, DISCO_ITEMS
from emulators.xmpp.paging import Page, PageRequest
from emulators.xmpp.stanza import Condition, StanzaError

INFO = f"{{{DISCO_INFO}}}query"
"""The tag of a payload about what an entity is."""
ITEMS = f"{{{DISCO_ITEMS}}}query"
"""The tag of a payload about what an entity has."""
_IDENTITY = f"{{{DISCO_INFO}}}identity"
_FEATURE = f"{{{DISCO_INFO}}}feature"
_ITEM = f"{{{DISCO_ITEMS}}}item"


def info_request(node: str | None = None) -> Element:
    """The payload that asks what an entity, or one node of it, is and can do."""
    return _element(INFO, node=node)


def items_request(node: str | None = None, page: PageRequest | None = None) -> Element:
    """The payload that asks what an entity, or one node of it, has; `page` asks for a part (XEP-0059)."""
    query = _element(ITEMS, node=node)
    if page is not None:
        query.append(page.to_element())
    return query


@dataclass(frozen=True)
class Identity:
    """What an entity is: category and type from the registry of XEP-0030, a name for people."""

    category: str
    type: str
    name: str | None = None


@dataclass(frozen=True)
class Info:
    """What an entity, or one node of it, is and which protocols it knows (their `var`)."""

    identities: tuple[Identity, ...]
    features: tuple[str, ...] = ()
    node: str | None = None

    def to_element(self) -> Element:
        """The payload of an answer."""
        query = _element(INFO, node=self.node)
        query.extend(
            _element(_IDENTITY, category=each.category, type=each.type, name=each.name) for each in self.identities
        )
        query.extend(_element(_FEATURE, var=feature) for feature in self.features)
        return query

    @classmethod
    def from_element(cls, query: Element) -> Info:
        """Reads the payload of an answer. Raises StanzaError (bad-request)."""
        identities = tuple(
            Identity(_required(each, "category"), _required(each, "type"), each.get("name"))
            for each in query.findall(_IDENTITY)
        )
        features = tuple(_required(each, "var") for each in query.findall(_FEATURE))
        return cls(identities, features, query.get("node"))


@dataclass(frozen=True)
class Item:
    """One thing that an entity has: the address to ask about it, a node there, a name for people."""

    jid: Jid
    node: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Items:
    """What an entity, or one node of it, has; `page` says which part of it this is, None when it is all."""

    items: tuple[Item, ...]
    node: str | None = None
    page: Page | None = None

    def to_element(self) -> Element:
        """The payload of an answer."""
        query = _element(ITEMS, node=self.node)
        query.extend(_element(_ITEM, jid=str(each.jid), node=each.node, name=each.name) for each in self.items)
        if self.page is not None:
            query.append(self.page.to_element())
        return query

    @classmethod
    def from_element(cls, query: Element) -> Items:
        """Reads the payload of an answer. Raises StanzaError (bad-request)."""
        items = tuple(
            Item(_address(_required(each, "jid")), each.get("node"), each.get("name")) for each in query.findall(_ITEM)
        )
        return cls(items, query.get("node"), Page.find(query))


def _element(tag: str, **attributes: str | None) -> Element:
    return Element(tag, {name: value for name, value in attributes.items() if value is not None})


def _required(element: Element, name: str) -> str:
    value = element.get(name)
    if value is None:
        raise StanzaError(Condition.BAD_REQUEST, f"an element of a disco answer lacks the attribute {name}")
    return value


def _address(text: str) -> Jid:
    try:
        return Jid.parse(text)
    except ValueError as error:
        raise StanzaError(Condition.BAD_REQUEST, f"an item's address is wrong: {error}") from error
