"""XMPP addresses (RFC 7622)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

PART_BYTES = 1023
"""The longest a part of an address may be, in bytes of UTF-8 (RFC 7622, section 3)."""

_LOCAL_FORBIDDEN = re.compile(r"""[\s"&'/:<>@]""")
_DOMAIN = re.compile(r"\[[0-9A-Fa-f:.]+\]|[^\s\"&'/:<>@\[\]]+")


@dataclass(frozen=True)
class Jid:
    """An address `local@domain/resource`; `local` and `resource` may be absent (None).

    The parts are brought to their normal form: Unicode form C, and lower case but for the resource. Raises ValueError
    when a part is empty, too long or holds a character that may not stand there.
    """

    local: str | None
    domain: str
    resource: str | None = None

    def __post_init__(self) -> None:
        local, resource = self.local, self.resource
        if local is not None:
            local = _normal("local part", local).lower()
            if _LOCAL_FORBIDDEN.search(local):
                raise ValueError(f"the local part {local!r} of an address holds a character that may not stand there")
        domain = _normal("domain", self.domain.removesuffix(".")).lower()
        if not _DOMAIN.fullmatch(domain):
            raise ValueError(f"the domain {domain!r} of an address holds a character that may not stand there")
        if resource is not None:
            resource = _normal("resource", resource)
        object.__setattr__(self, "local", local)
        object.__setattr__(self, "domain", domain)
        object.__setattr__(self, "resource", resource)

    @classmethod
    def parse(cls, text: str) -> Jid:
        """Reads an address from its text. Raises ValueError."""
        bare, slash, resource = text.partition("/")
        local, at, domain = bare.rpartition("@")
        return cls(local if at else None, domain, resource if slash else None)

    @property
    def bare(self) -> Jid:
        """The address without its resource."""
        return Jid(self.local, self.domain)

    def __str__(self) -> str:
        local = "" if self.local is None else f"{self.local}@"
        resource = "" if self.resource is None else f"/{self.resource}"
        return f"{local}{self.domain}{resource}"


def _normal(name: str, part: str) -> str:
    """The part in Unicode form C. Raises ValueError when it is empty, too long, or holds characters without a shape."""
    part = unicodedata.normalize("NFC", part)
    if any(unicodedata.category(character) in {"Cc", "Cs", "Cn", "Zl", "Zp"} for character in part):
        raise ValueError(f"the {name} {part!r} of an address holds a control character or an unassigned one")
    if not 0 < len(part.encode()) <= PART_BYTES:
        raise ValueError(f"the {name} of an address must have 1 to {PART_BYTES} bytes")
    return part
