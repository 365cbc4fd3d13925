"""Where mitmweb is served: a Unix socket in a folder, which network namespaces do not part from the user's browser."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from node.socketpath import short_path

_LOG = logging.getLogger(__name__)
_SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class PageSettings:
    """The path of the socket, in a folder that exists, and the token without which nobody comes in.

    Raises ValueError for a token that could be guessed.
    """

    path: Path
    token: str = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.token) < _SHORTEST_TOKEN:
            raise ValueError(f"mitmweb's token must have at least {_SHORTEST_TOKEN} characters")

    @classmethod
    def read(cls, values: Mapping[str, str]) -> PageSettings:
        """Makes settings of `{"socket": path, "token": text}`. Raises ValueError."""
        if set(values) != {"socket", "token"}:
            raise ValueError("mitmweb needs socket and token, and nothing else")
        return cls(Path(values["socket"]), values["token"])

    def listen(self) -> socket.socket:
        """The listening socket, which the folder's owner alone may use. One that was left over is replaced.

        Raises OSError when the folder cannot be had.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self.remove()
            os.fchmod(sock.fileno(), 0o600)
            with short_path(self.path) as path:
                sock.bind(path)
            self._give_to_owner()
            sock.listen()
        except OSError:
            sock.close()
            raise
        return sock

    def remove(self) -> None:
        """Takes the socket out of its folder."""
        self.path.unlink(missing_ok=True)

    def _give_to_owner(self) -> None:
        owner = self.path.parent.stat()
        if owner.st_uid == os.geteuid():
            return
        # In a container this is root, and the browser's user is not.
        try:
            os.chown(self.path, owner.st_uid, owner.st_gid)
        except OSError as error:
            _LOG.warning("mitmweb's socket stays that of user %d: %s", os.geteuid(), error.strerror)
