"""Rainbow as the bench asks it: what the PCG knows of each PBX, and what can be done to it there."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from bench.notes import read_notes
from emulators.chronicle import Bookmark, Notes
from emulators.door.faults import FaultKind
from emulators.door.record import HISTORY_LIMIT, SessionRecord
from emulators.pbxagent.devices import Device
from emulators.rainbow.pbx import CodeKind, LifeCycle, PbxRecord, PortalState
from node.remote import Remote


@dataclass(frozen=True)
class Created:
    """A PBX that Rainbow has just made known: what its installer is told."""

    pbx_id: str
    activation_code: str


class Rainbow:
    """The PCG, asked and steered out of band."""

    def __init__(self, node: Remote) -> None:
        self._node = node

    def create(self, pbx_id: str | None = None) -> Created:
        """Makes a new PBX known to Rainbow, with a PBX ID of its own unless one is given."""
        if pbx_id is None:
            digits = secrets.token_hex(16)
            pbx_id = "PBX" + "-".join(digits[start : start + 4] for start in range(0, 32, 4))
        code = str(1000 + secrets.randbelow(9000))
        self._node.ask("create", pbx_id=pbx_id, activation_code=code)
        return Created(pbx_id, code)

    def pbx(self, pbx_id: str, sessions: int = HISTORY_LIMIT) -> PbxRecord:
        """Everything that Rainbow may show of a PBX, with so many of its latest sessions."""
        record: dict[str, Any] = self._node.ask("pbx", pbx_id=pbx_id, sessions=sessions)
        return PbxRecord(
            **{
                **record,
                "state": PortalState(record["state"]),
                "life_cycle": LifeCycle(record["life_cycle"]),
                "devices": [Device(**device) for device in record["devices"]],
                "sessions": [
                    SessionRecord(**{**session, "logged_in_with": CodeKind(session["logged_in_with"])})
                    for session in record["sessions"]
                ],
            }
        )

    def notes(self, bookmark: Bookmark) -> Notes:
        """What has happened there since a bookmark."""
        return read_notes(self._node, bookmark)

    def activation_code(self, pbx_id: str) -> str:
        """The activation code that the installer is to enter now."""
        code: str = self._node.ask("activation_code", pbx_id=pbx_id)
        return code

    def reset(self, pbx_id: str) -> None:
        """Resets the PBX in Rainbow: it gets a new activation code and is disconnected."""
        self._node.ask("reset", pbx_id=pbx_id)

    def retrieve(self, pbx_id: str) -> None:
        """Has Rainbow retrieve the devices again."""
        self._node.ask("retrieve", pbx_id=pbx_id)

    def serve_domain(self, domain: str) -> None:
        """Has Rainbow serve one more domain."""
        self._node.ask("add_domain", domain=domain)

    def restart(self) -> None:
        """Stops the PCG in order and starts it again; what Rainbow knows of its PBXs is kept."""
        self._node.ask("restart")

    def set_page_size(self, size: int) -> None:
        """How many devices Rainbow asks for at a time."""
        self._node.ask("page_size", size=size)

    def drop(self, pbx_id: str, code: int = 1001) -> None:
        """Closes the PBX's WebSocket with a close code."""
        self._node.ask("drop", pbx_id=pbx_id, code=code)

    def abort(self, pbx_id: str) -> None:
        """Ends the PBX's connection with a TCP reset."""
        self._node.ask("drop", pbx_id=pbx_id, abort=True)

    def set_fault(self, kind: FaultKind, value: int | None = None) -> None:
        """Makes something wrong with the PCG on purpose."""
        self._node.ask("fault_set", kind=kind.value, value=value)

    def clear_fault(self) -> None:
        """Makes the PCG work again."""
        self._node.ask("fault_clear")
