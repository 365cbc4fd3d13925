"""Finds out whether anything still happens on a site.

A process that waits for nothing but an event or a timer sleeps, and its count of context switches stands still. When
this holds for every thread of every node, and of what nodes have started, over several looks, and no byte that was sent
is still on its way, no node will do anything more until time passes. Looks are counted, not milliseconds: on a busy
machine they come more slowly, as the nodes do.

Frames between namespaces stand in a queue of the CPU that they were sent from, until the kernel gets to it. On a busy
machine that may take longer than all the looks, so a datagram is sent through every CPU's queue: when it arrives, what
stood there before it has gone on.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Collection
from pathlib import Path

_SYN_SENT = "02"
_LISTEN = "0A"
_PROBE_TIMER = "04"
"""Bytes that cannot be sent at all, since the peer takes none or there is no way to it."""

LOOKS = 4
PAUSE = 0.001
"""Seconds between two looks."""


CROSSINGS = 4
"""From how many namespaces to the next a frame may go before it wakes a process: over LAN and firewall, ARP before."""


class Queues:
    """The CPUs' queues of frames, seen through a datagram socket that is connected to itself over loopback."""

    def __init__(self, echo: socket.socket) -> None:
        self._echo = echo
        self._echo.settimeout(1.0)
        self._cpus = os.sched_getaffinity(0)

    def drain(self) -> bool:
        """Waits until what stands in the queues now has gone on; False when that took too long."""
        try:
            for _ in range(CROSSINGS):
                for cpu in self._cpus:
                    os.sched_setaffinity(0, {cpu})
                    self._echo.send(b"\0")
                    self._echo.recv(1)
        except TimeoutError:
            return False
        finally:
            os.sched_setaffinity(0, self._cpus)
        return True


class Bytes:
    """The bytes that TCP has under way, in the network namespaces of processes.

    Where a namespace shares the machine's table of connections, the kernel takes milliseconds to look through it. So a
    namespace where nothing was under way is not looked through again until TCP has sent or received there.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._still: dict[int, str] = {}
        """The kernel's TCP counters by namespace, as they were when nothing was under way there."""

    def any_under_way(self, pids: Collection[int]) -> bool:
        """Whether bytes are under way anywhere; True as well when a process has ended meanwhile."""
        namespaces: dict[int, int] = {}
        try:
            for pid in pids:
                namespaces[(self._proc / str(pid) / "ns" / "net").stat().st_ino] = pid
            return any(self._under_way(namespace, pid) for namespace, pid in namespaces.items())
        except OSError:
            # The process ended between two looks: the next look finds it gone.
            return True

    def _under_way(self, namespace: int, pid: int) -> bool:
        net = self._proc / str(pid) / "net"
        # The counters are read first, so that what happens in between makes them differ the next time.
        counters = "".join(line for line in (net / "snmp").read_text().splitlines() if line.startswith("Tcp:"))
        if self._still.get(namespace) == counters:
            return False
        if _bytes_under_way(net / "tcp"):
            return True
        self._still[namespace] = counters
        return False


def wait_until_quiet(
    living: Callable[[], list[int]],
    queues: Queues,
    sent: Bytes,
    deadline: float,
    proc: Path = Path("/proc"),
    idle: Collection[int] = (),
) -> bool:
    """Returns True when all processes are quiet, False when they weren't by `deadline` (monotonic, seconds).

    `living` gives the numbers of the processes that count, anew for each look. Those that are `idle` count too, but not
    what is under way in their network namespaces.
    """
    same = 0
    before: list[tuple[str, str]] | None = None
    while time.monotonic() < deadline:
        pids = living()
        # Bytes are looked for last, since the kernel takes its time over that, and before one more look at the
        # processes: what arrives meanwhile wakes one of them.
        last = same == LOOKS - 1
        under_way = last and not (queues.drain() and not sent.any_under_way(set(pids) - set(idle)))
        now = [look for pid in pids for look in _look(proc / str(pid) / "task")]
        quiet = not under_way and all(switches != "" for _, switches in now)
        same = same + 1 if quiet and now == before else 0
        if same >= LOOKS:
            return True
        before = now
        time.sleep(PAUSE)
    return False


def _look(tasks: Path) -> list[tuple[str, str]]:
    """Each thread with its count of context switches; with an empty count when it neither sleeps nor is stopped."""
    looks = []
    try:
        for task in tasks.iterdir():
            status = (task / "status").read_text()
            asleep = "\nState:\tS" in status or "\nState:\tT" in status
            looks.append((task.name, status[status.index("\nvoluntary_ctxt") :] if asleep else ""))
    except (FileNotFoundError, ProcessLookupError):
        # The process ended between two looks: the next look finds it gone.
        looks.append((tasks.parent.name, ""))
    return looks


def _bytes_under_way(table: Path) -> bool:
    """Whether a TCP connection in the process's network namespace has bytes that wait to be sent or acknowledged.

    The kernel may hold them back for some 40 ms (Nagle's algorithm against a delayed acknowledgement), while every
    process sleeps. Bytes that had to be sent again don't count: they are lost on the way, and may be for ever.
    """
    rows = table.read_text().splitlines()[1:]
    for row in rows:
        columns = row.split()
        state, unsent, timer, sent_again = columns[3], columns[4].partition(":")[0], columns[5][:2], columns[6]
        waiting = state not in (_SYN_SENT, _LISTEN) and timer != _PROBE_TIMER and int(unsent, 16) > 0
        if waiting and int(sent_again, 16) == 0:
            return True
    return False
