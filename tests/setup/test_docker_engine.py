"""Whether a Docker engine answers: asked of sockets that behave like one, or not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from network.docker.ping import EngineSilent, ping


@contextmanager
def engine(listener: socket.socket, answer: bytes, after: float = 0.0) -> Iterator[None]:
    """Something that answers once, so many seconds after it was asked."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            threading.Event().wait(after)
            connection.sendall(answer)

    with listener:
        listener.settimeout(10)
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def at(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def test_an_engine_on_a_unix_socket(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/d.sock"
    with engine(at(tmp_path / "d.sock"), b"HTTP/1.0 200 OK\r\n\r\nOK"):
        assert ping({"DOCKER_HOST": address}) == address


def test_an_engine_that_is_busy(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/d.sock"
    with engine(at(tmp_path / "d.sock"), b"HTTP/1.0 200 OK\r\n\r\nOK", after=1.0):
        assert ping({"DOCKER_HOST": address}) == address


def test_an_engine_on_tcp() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    with engine(listener, b"HTTP/1.0 200 OK\r\n\r\nOK"):
        assert ping({"DOCKER_HOST": address}) == address


def test_something_else_that_answers(tmp_path: Path) -> None:
    with (
        engine(at(tmp_path / "d.sock"), b"220 mail ready\r\n"),
        pytest.raises(EngineSilent, match="not a Docker engine"),
    ):
        ping({"DOCKER_HOST": f"unix://{tmp_path}/d.sock"})


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("unix:///nowhere/docker.sock", "not running"),
        ("ssh://far", "only unix:// and tcp"),
        ("tcp://127.0.0.1:port", "only unix:// and tcp"),
    ],
)
def test_no_engine(host: str, said: str) -> None:
    with pytest.raises(EngineSilent, match=said):
        ping({"DOCKER_HOST": host})


def test_a_socket_that_is_not_listened_on(tmp_path: Path) -> None:
    at(tmp_path / "d.sock").close()
    with pytest.raises(EngineSilent, match="Connection refused"):
        ping({"DOCKER_HOST": f"unix://{tmp_path}/d.sock"})


def test_ones_own_engine_is_found(tmp_path: Path) -> None:
    with engine(at(tmp_path / "docker.sock"), b"HTTP/1.0 200 OK\r\n\r\nOK"):
        found = ping({"XDG_RUNTIME_DIR": str(tmp_path)}, usual=f"unix://{tmp_path}/nowhere.sock")
    assert found == f"unix://{tmp_path}/docker.sock"
