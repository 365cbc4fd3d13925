"""Tells what happens on the wire as the frames come, in sentences that a support engineer reads at a glance.

Nothing is told twice: what passes the firewall belongs together on both segments. A web proxy's own connection to where
its client wants to go is a connection of its own; TLS that it only passes on is told once, where it begins. Whatever
comes, memory is bounded: what is under way is remembered up to a number, and what is over is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable

from network.plan import SitePlan
from network.wire.connections import Connections
from network.wire.frames import TCP, UDP, Frame, IcmpError, Tcp, Udp
from network.wire.happening import Happening, Names
from network.wire.questions import Questions
from network.wire.vpntraffic import VpnTraffic

_ESP = 50


class Happenings:
    """What the frames of a site tell. `wall` gives the device's time of a frame's time; both in seconds."""

    def __init__(self, plan: SitePlan, wall: Callable[[float], float] = lambda time: time) -> None:
        names = Names(plan)
        self._wall = wall
        self._questions = Questions(names)
        self._connections = Connections(names, self._questions.see_tcp)
        self._vpn = VpnTraffic(names)

    @property
    def size(self) -> int:
        """How many things are remembered, for tests of its bounds."""
        return self._connections.size + self._questions.size + self._vpn.size

    def see(self, frame: Frame) -> list[Happening]:
        """Takes the next frame, in the order of their times; returns what it tells, and what was due before it."""
        now = self._wall(frame.time)
        told = self.time_passes(now)
        match frame.content:
            case Tcp() as tcp:
                told += self._connections.see(frame, tcp, now)
            case Udp() as udp:
                told += self._questions.see(frame, udp, now)
                told += self._vpn.see(frame, udp, now)
            case IcmpError(protocol=protocol) as error if protocol == TCP:
                told += self._connections.see_icmp(frame, error, now)
            case IcmpError(protocol=protocol) as error if protocol == UDP:
                told += self._questions.see_icmp(frame, error, now)
                told += self._vpn.see_icmp(frame, error, now)
            case _ if frame.protocol == _ESP:
                told += self._vpn.see_esp(frame, now)
        return told

    def time_passes(self, now: float) -> list[Happening]:
        """What nobody's answer tells until `now`, in the device's time, in order."""
        told = self._connections.time_passes(now) + self._questions.time_passes(now) + self._vpn.time_passes(now)
        return sorted(told, key=lambda happening: happening.time)
