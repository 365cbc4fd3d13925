"""A socket in front of the Docker engine's, which can be shut as if the engine had stopped."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
from pathlib import Path
from types import TracebackType

from network.docker.ping import ping


class EngineDoor:
    """Passes everything on to the machine's engine until it is shut; then nobody listens there any more."""

    def __init__(self, folder: Path) -> None:
        self._engine = ping(os.environ).removeprefix("unix://")
        path = folder / "docker.sock"
        self.address = f"unix://{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def shut(self) -> None:
        """Ends all connections, and takes no new ones."""
        self._end.close()
        self._thread.join()

    def _serve(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ)
        selector.register(self._ended, selectors.EVENT_READ)
        others: dict[socket.socket, socket.socket] = {}
        while True:
            for key, _ in selector.select():
                if key.fileobj is self._ended:
                    for one in (self._listener, self._ended, *others):
                        one.close()
                    selector.close()
                    return
                if key.fileobj is self._listener:
                    client, _ = self._listener.accept()
                    engine = socket.socket(socket.AF_UNIX)
                    engine.connect(self._engine)
                    others |= {client: engine, engine: client}
                    selector.register(client, selectors.EVENT_READ)
                    selector.register(engine, selectors.EVENT_READ)
                else:
                    self._pass_on(key.fileobj, others, selector)

    def _pass_on(
        self, one: object, others: dict[socket.socket, socket.socket], selector: selectors.DefaultSelector
    ) -> None:
        assert isinstance(one, socket.socket)
        if one not in others:
            return
        data = b""
        with contextlib.suppress(OSError):
            data = one.recv(65536)
        if data:
            with contextlib.suppress(OSError):
                others[one].sendall(data)
            return
        for end in (one, others[one]):
            selector.unregister(end)
            others.pop(end)
            end.close()

    def __enter__(self) -> EngineDoor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            self.shut()
