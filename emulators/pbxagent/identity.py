"""The name under which a PBX logs in to Rainbow: `pbxagent_<32 hex>`, made from its PBX ID."""

from __future__ import annotations

import re

_PBX_ID = re.compile(r"PBX([0-9a-f]{4}(?:-[0-9a-f]{4}){7})", re.IGNORECASE)
_USER_NAME = re.compile(r"pbxagent_([0-9a-f]{32})")


def user_name(pbx_id: str) -> str:
    """The user name for a PBX ID such as `PBX1a2b-3c4d-...` (`PBX` and eight groups of four). Raises ValueError."""
    match = _PBX_ID.fullmatch(pbx_id)
    if match is None:
        raise ValueError(f"{pbx_id!r} is not a PBX ID: 'PBX' and eight groups of four hexadecimal digits joined by '-'")
    return "pbxagent_" + match[1].replace("-", "").lower()


def pbx_id(name: str) -> str:
    """The PBX ID, hexadecimal digits in small letters, for a user name. Raises ValueError."""
    match = _USER_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not the user name of a PBX")
    return "PBX" + "-".join(re.findall("....", match[1]))
