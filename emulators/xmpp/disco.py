"""Service discovery (XEP-0030): what an entity is and can do."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.xmpp.element import Element
from emulators.xmpp.namespaces import DISCO_INFO
from emulators.xmpp.stanza import Condition, StanzaError

INFO = f"{{{DISCO_INFO}}}query"
"""The tag of a payload about what an entity is."""
_IDENTITY = f"{{{DISCO_INFO}}}identity"
_FEATURE = f"{{{DISCO_INFO}}}feature"


def info_request(node: str | None = None) -> Element:
    """The payload that asks what an entity, or one node of it, is and can do."""
    return _element(INFO, node=node)


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


def _element(tag: str, **attributes: str | None) -> Element:
    return Element(tag, {name: value for name, value in attributes.items() if value is not None})


def _required(element: Element, name: str) -> str:
    value = element.get(name)
    if value is None:
        raise StanzaError(Condition.BAD_REQUEST, f"an element of a disco answer lacks the attribute {name}")
    return value
