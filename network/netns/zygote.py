"""The parent of all sandboxes: a process that has imported everything once and forks a sandbox for each request.

Importing a web proxy takes a second, forking a process that has it takes milliseconds. Started by the fabric as
`python -m network.netns.zygote FD MODULE...`; ends when the bench closes its socket or dies.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys

from network import kernel
from network.netns import messages, sandbox


def main(fd: int, parent: int, modules: list[str]) -> None:
    """Imports the modules, says so, then serves requests for sandboxes until the bench is gone."""
    kernel.die_with_parent(parent)
    kernel.set_name("oxobench-zygote")
    for module in modules:
        importlib.import_module(module)
    # What is imported stays: without this, the first collection in each child would copy every page.
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sock = socket.socket(fileno=fd)
    messages.send(sock, True)
    while True:
        try:
            request, fds = messages.receive(sock)
        except (EOFError, OSError):
            return
        own_pid = os.getpid()
        if os.fork():
            for number in fds:
                os.close(number)
            continue
        sock.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        kernel.die_with_parent(own_pid)
        sandbox.own(request, socket.socket(fileno=fds[0]), socket.socket(fileno=fds[1]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
