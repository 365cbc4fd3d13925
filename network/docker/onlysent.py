"""Has a packet socket see only what its own interface sends: a node's frames where they enter their segment."""

from __future__ import annotations

import ctypes
import socket
import struct

_SO_ATTACH_FILTER = 26
_OUTGOING = 4
"""The type of a packet that this machine sends (PACKET_OUTGOING)."""
_LOAD_TYPE, _PACKET_TYPE = 0x28, 0xFFFFF000 + 4
_JUMP_IF_EQUAL, _RETURN = 0x15, 0x06
_WHOLE = 0xFFFFFFFF


def see_only_sent(tap: socket.socket) -> None:
    """Attaches a filter (classic BPF), which the kernel applies before a frame takes room in the socket's buffer."""
    instructions = (
        (_LOAD_TYPE, 0, 0, _PACKET_TYPE),
        (_JUMP_IF_EQUAL, 0, 1, _OUTGOING),
        (_RETURN, 0, 0, _WHOLE),
        (_RETURN, 0, 0, 0),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in instructions))
    tap.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(instructions), ctypes.addressof(program))
    )
