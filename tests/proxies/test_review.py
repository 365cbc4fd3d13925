"""`oxobench review`: saved flows in mitmweb, in a process of its own as the command line has it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from mitmproxy.io import FlowWriter
from mitmproxy.test.tflow import tflow

WITHIN = 30.0
CODE = "import sys; from pathlib import Path; from bench.review import review; "
CODE += "sys.exit(review(Path(sys.argv[1]), int(sys.argv[2])))"


@dataclass
class Review:
    """A review that runs, and where."""

    process: subprocess.Popen[str]
    line: str

    def flows(self) -> list[dict[str, Any]]:
        url = urlsplit(self.line.split()[-1])
        assert url.hostname == "127.0.0.1"
        connection = HTTPConnection(url.netloc, timeout=WITHIN)
        connection.request("GET", "/flows", headers={"Authorization": f"Bearer {url.query.removeprefix('token=')}"})
        shown: list[dict[str, Any]] = json.loads(connection.getresponse().read())
        connection.close()
        return shown


def begin(path: Path, port: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CODE, str(path), str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def reviewing(path: Path) -> Iterator[Review]:
    """Reviews a path, and ends it by Ctrl-C."""
    with begin(path) as process:
        try:
            assert process.stdout is not None
            yield Review(process, process.stdout.readline())
            process.send_signal(signal.SIGINT)
            assert process.wait(WITHIN) == 0
        finally:
            process.kill()


def refusal(path: Path, port: int = 0) -> str:
    with begin(path, port) as process:
        out, error = process.communicate(timeout=WITHIN)
    assert process.returncode == 2
    assert out == ""
    assert error.count("\n") == 1
    return error


def save(path: Path, *comments: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        for number, comment in enumerate(comments):
            flow = tflow(ws=True)
            flow.comment, flow.marked = comment, ":rainbow:"
            flow.timestamp_created = number
            FlowWriter(file).add(flow)


def test_the_flows_of_a_file_are_shown_with_marks_and_comments(tmp_path: Path) -> None:
    save(tmp_path / "proxy.flows", "one", "two")
    with reviewing(tmp_path / "proxy.flows") as here:
        assert here.line.startswith("2 flows: http://127.0.0.1:")
        assert [(each["comment"], each["marked"]) for each in here.flows()] == [("one", "🌈"), ("two", "🌈")]


def test_a_run_has_the_flows_of_all_its_scenarios(tmp_path: Path) -> None:
    save(tmp_path / "first" / "proxy.flows", "one")
    save(tmp_path / "second" / "proxy.flows", "two")
    save(tmp_path / "third" / "proxy.flows")
    with reviewing(tmp_path) as here:
        assert sorted(each["comment"] for each in here.flows()) == ["first: one", "second: two"]
    with reviewing(tmp_path / "second") as here:
        assert [each["comment"] for each in here.flows()] == ["two"]


def test_a_file_that_was_cut_short_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "proxy.flows"
    save(path, "one", "two")
    path.write_bytes(path.read_bytes()[:-10])
    with reviewing(path) as here:
        assert [each["comment"] for each in here.flows()] == ["one"]


def test_what_cannot_be_reviewed_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.flows").write_bytes(b"\x00garbage" * 100)
    assert "is no file of flows" in refusal(tmp_path / "bad.flows")
    save(tmp_path / "empty.flows")
    assert "nothing went through the web proxy" in refusal(tmp_path / "empty.flows")
    assert "does not exist" in refusal(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    assert "no saved flows" in refusal(tmp_path / "folder")


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_there_is_not_is_one_sentence(tmp_path: Path, port: int) -> None:
    save(tmp_path / "proxy.flows", "one")
    assert f"127.0.0.1:{port}" in refusal(tmp_path / "proxy.flows", port)


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    save(tmp_path / "proxy.flows", "one")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "Address already in use" in refusal(tmp_path / "proxy.flows", taken.getsockname()[1])
