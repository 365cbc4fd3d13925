"""What may be typed into a field of OMC, and how it is stored: one function a kind of value.

Each takes the field's name and the value, returns the value as it is stored, and raises FieldRefused for a bad one.
Refusals never repeat a secret.
"""

from __future__ import annotations

import ipaddress
import re

HOST_LIMIT = 253
"""The longest host name, in characters (RFC 1035 section 2.3.4, without the final dot)."""

SECRET_LIMIT = 1024
"""The longest final password, in characters: Rainbow makes it, so there is room to spare."""

TEXT_LIMIT = 128
"""The longest account, password or custom activation code, in characters. The PBX's own limit is not public."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PBX_ID = re.compile(r"pbx([0-9a-f]{4}(?:-[0-9a-f]{4}){7})")


class FieldRefused(ValueError):
    """A field's value was refused: `field` is its name as OMC shows it, `why` goes on from there."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


def switch(field: str, value: object) -> bool:
    """A check box."""
    if not isinstance(value, bool):
        raise FieldRefused(field, "must be checked or unchecked")
    return value


def text(field: str, value: object, *, limit: int = TEXT_LIMIT) -> str:
    """One line of printable text, perhaps empty."""
    if not isinstance(value, str):
        raise FieldRefused(field, "must be text")
    if len(value) > limit:
        raise FieldRefused(field, f"must have at most {limit} characters, not {len(value)}")
    if not value.isprintable():
        raise FieldRefused(field, "must have printable characters only")
    return value


def account(field: str, value: object) -> str:
    """A user name for Basic authentication, which cannot hold a colon (RFC 7617 section 2)."""
    name = text(field, value)
    if ":" in name:
        raise FieldRefused(field, "must not contain ':'")
    return name


def port(field: str, value: object) -> int:
    """A TCP port; digits as typed are taken too."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise FieldRefused(field, "must be a number from 1 to 65535")
    return value


def host_name(field: str, value: object, *, limit: int = HOST_LIMIT) -> str:
    """A host name of letters, digits and hyphens with at most `limit` characters; stored in small letters."""
    name = text(field, value, limit=limit)
    if not name:
        raise FieldRefused(field, "must not be empty")
    if not name.isascii():
        raise FieldRefused(field, "must have letters a-z, digits, '-' and '.' only")
    name = name.lower()
    labels = name.split(".")
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise FieldRefused(
                field,
                f"must be a host name, and {label!r} cannot be a part of one"
                " (1 to 63 letters, digits and '-', with no '-' at either end)",
            )
    if labels[-1].isdigit():
        raise FieldRefused(field, f"must be a host name, and one cannot end in the number {labels[-1]}")
    return name


def address(field: str, value: object) -> str:
    """The IPv4 address of one machine."""
    try:
        parsed = ipaddress.IPv4Address(text(field, value, limit=15))
    except ipaddress.AddressValueError:
        raise FieldRefused(field, "must be an IPv4 address such as 192.168.92.246") from None
    if parsed.is_unspecified or parsed.is_multicast or parsed.is_reserved:
        raise FieldRefused(field, f"must be the address of a machine, which {parsed} cannot be")
    return str(parsed)


def host(field: str, value: object) -> str:
    """A host name or an IPv4 address."""
    typed = text(field, value, limit=HOST_LIMIT)
    if re.fullmatch(r"[0-9.]+", typed):
        return address(field, typed)
    return host_name(field, typed)


def netmask(field: str, value: object) -> str:
    """A subnet mask that leaves room for at least two machines, dotted: 255.255.255.0."""
    typed = text(field, value, limit=15)
    masks = {str(ipaddress.IPv4Network((0, length)).netmask) for length in range(1, 31)}
    if typed not in masks:
        raise FieldRefused(field, "must be a subnet mask such as 255.255.255.0")
    return typed


def pbx_id(field: str, value: object) -> str:
    """A PBX ID as Rainbow makes it: `PBX` and eight groups of four hexadecimal digits; stored as PBX1a2b-3c4d-..."""
    match = _PBX_ID.fullmatch(text(field, value).lower())
    if not match:
        raise FieldRefused(field, "must be 'PBX' and eight groups of four hexadecimal digits joined by '-'")
    return f"PBX{match[1]}"


def activation_code(field: str, value: object) -> str:
    """An activation code: a number from 1000 to 9999, or a custom one, whose form is not public.

    A shorter number is taken for a slip of the pen.
    """
    code = text(field, value)
    if code != code.strip() or re.fullmatch(r"0?[0-9]{0,3}", code):
        raise FieldRefused(field, "must be a number from 1000 to 9999, or a custom code without spaces around it")
    return code
