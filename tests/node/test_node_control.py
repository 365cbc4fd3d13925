"""The control socket between the bench and a node: what is asked and answered, and how it ends."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.control import LINE_LIMIT, Refusal
from node.program import ProgramSpec
from node.remote import NodeBroken, NodeCannotStart, NodeGone, NodeSilent, Remote

ROOT = Path(__file__).parents[2]
WORKER = "tests.node.worker:Worker"


RUN = """
import json, socket, sys
from node.program import ProgramSpec, run
fd, factory, settings, offset = sys.argv[1:]
run(ProgramSpec(factory, json.loads(settings)), socket.socket(fileno=int(fd)), float(offset))
"""


@dataclass
class Node:
    """A node's process, with the bench's end of its socket."""

    remote: Remote
    sock: socket.socket
    process: subprocess.Popen[str]

    def ended(self) -> tuple[int, str]:
        """Its exit code and the last line of its log, once it has ended."""
        with self.process:
            _, log = self.process.communicate(timeout=20)
        self.remote.close()
        return self.process.returncode, log.strip().rpartition("\n")[2]


def open_node(spec: ProgramSpec, offset: float = 0.0) -> Node:
    ours, theirs = socket.socketpair()
    with theirs:
        settings = json.dumps(dict(spec.settings))
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(theirs.fileno()), spec.factory, settings, str(offset)],
            pass_fds=[theirs.fileno()],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
    return Node(Remote("worker", ours), ours, process)


@pytest.fixture
def node() -> Iterator[Node]:
    node = open_node(ProgramSpec(WORKER))
    node.remote.wait_until_ready()
    yield node
    node.remote.close()
    node.ended()


@pytest.fixture
def silent() -> Iterator[tuple[Remote, socket.socket]]:
    """A node that says only what the test says for it, with its end of the socket."""
    ours, theirs = socket.socketpair()
    remote = Remote("worker", ours)
    yield remote, theirs
    theirs.close()
    remote.close()


Silent = tuple[Remote, socket.socket]


def test_an_answer_that_is_too_long_breaks_nothing_but_itself(node: Node) -> None:
    with pytest.raises(NodeBroken, match=f"the answer to repeat has .* bytes .at most {LINE_LIMIT}"):
        node.remote.ask("repeat", text="x" * 1024, times=LINE_LIMIT // 1024)
    assert node.remote.ask("greet", name="oxo") == "hello oxo"


def test_commands_plain_and_async(node: Node) -> None:
    assert node.remote.ask("greet", name="oxo") == "hello oxo"
    assert node.remote.ask("greet_later", name="oxo") == "hello later oxo"


def test_dataclasses_enums_and_sets_arrive_in_jsons_types(node: Node) -> None:
    assert node.remote.ask("thing") == [{"name": "one", "colours": ["red"], "parts": [1]}]


Json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)


def test_whatever_is_asked_comes_back_as_it_was(node: Node) -> None:
    @settings(max_examples=100, deadline=None)
    @given(Json)
    def check(value: Any) -> None:
        assert node.remote.ask("echo", value=value) == value

    check()


@pytest.mark.parametrize("name", ["no_command", "stop", "__init__", "nothing", ""])
def test_only_commands_can_be_called(node: Node, name: str) -> None:
    with pytest.raises(Refusal, match=f"there is no command '{name}' here"):
        node.remote.ask(name)


def test_a_refusal_is_one_sentence_and_the_node_serves_on(node: Node) -> None:
    with pytest.raises(Refusal) as refused:
        node.remote.ask("refuse")
    assert str(refused.value) == "not today"
    assert node.remote.ask("greet", name="again") == "hello again"


@pytest.mark.parametrize(
    ("method", "params", "why"),
    [
        ("fail", {}, "ZeroDivisionError: on purpose"),
        ("greet", {"nobody": 1}, "TypeError"),
        ("unsayable", {}, "object cannot be sent over a control socket"),
    ],
)
def test_a_defect_in_a_command_is_told_and_the_node_serves_on(
    node: Node, method: str, params: dict[str, Any], why: str
) -> None:
    with pytest.raises(NodeBroken, match=r"node worker broke") as broken:
        node.remote.ask(method, **params)
    assert why in str(broken.value)
    assert node.remote.ask("greet", name="again") == "hello again"


def test_answers_are_told_apart_by_their_number(node: Node) -> None:
    first = node.remote.send("greet", name="one")
    second = node.remote.send("greet", name="two")
    assert node.remote.receive(first) == "hello one"
    assert node.remote.receive(second) == "hello two"


def test_the_clock_is_moved_by_command() -> None:
    node = open_node(ProgramSpec(WORKER), offset=100)
    node.remote.wait_until_ready()
    assert node.remote.ask("clock_next") is None
    node.remote.ask("clock_jump", offset=200)
    node.remote.hang_up()
    assert node.ended()[0] == 0


def test_a_node_stops_in_order_when_the_bench_hangs_up(node: Node) -> None:
    node.remote.hang_up()
    assert node.ended() == (0, "")


def test_a_node_that_cannot_stop_is_gone_all_the_same() -> None:
    node = open_node(ProgramSpec(WORKER, {"greeting": "stubborn"}))
    node.remote.wait_until_ready()
    node.remote.hang_up()
    assert node.ended() == (1, "RuntimeError: it does not want to stop")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (ProgramSpec("tests.node.worker:Broken", {"when": "made"}), "it cannot be made"),
        (ProgramSpec("tests.node.worker:Broken", {"when": "started"}), "it cannot start"),
        (ProgramSpec("tests.node.worker:Broken", {"when": "by a defect"}), "KeyError: 'by a defect'"),
        (ProgramSpec("tests.node.worker:Nobody"), "tests.node.worker:Nobody: AttributeError"),
        (ProgramSpec("tests.node.nowhere:Worker"), "No module named 'tests.node.nowhere'"),
        (ProgramSpec(WORKER, {"colour": "red"}), "unexpected keyword argument 'colour'"),
    ],
)
def test_a_program_that_cannot_start_says_why_and_waits_for_its_end(spec: ProgramSpec, why: str) -> None:
    node = open_node(spec)
    with pytest.raises(NodeCannotStart, match="node worker cannot start: ") as told:
        node.remote.wait_until_ready()
    assert why in str(told.value)
    assert node.remote.ask("clock_next") is None
    with pytest.raises(Refusal, match="no command 'greet'"):
        node.remote.ask("greet", name="oxo")
    node.remote.hang_up()
    assert node.ended()[0] == 0


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"no json\n", "json.decoder.JSONDecodeError"),
        (b"{}\n", "is no request"),
        (b"[]\n", "is no request"),
        (b"\xff\xfe\n", "Error"),
        (b"[" * 100_000 + b"\n", "is no request"),
        (b"x" * (LINE_LIMIT + 100), "ValueError"),
    ],
    ids=["text", "empty", "list", "bytes", "deep", "long"],
)
def test_a_line_that_is_no_request_ends_the_node(line: bytes, why: str) -> None:
    """The bench sends none; whoever else did would not be answered."""
    node = open_node(ProgramSpec(WORKER))
    node.remote.wait_until_ready()
    with contextlib.suppress(ConnectionError):
        node.sock.sendall(line)
    with pytest.raises(NodeGone):
        node.remote.event({"never"})
    status, log = node.ended()
    assert status == 1
    assert why in log


def test_a_request_that_is_too_long_is_not_sent(node: Node) -> None:
    with pytest.raises(ValueError, match=r"a request of \d+ bytes is too long for node worker"):
        node.remote.ask("echo", value="x" * LINE_LIMIT)
    value = "x" * (LINE_LIMIT // 2)
    assert node.remote.ask("echo", value=value) == value


def test_a_node_that_does_not_answer_in_time(silent: Silent) -> None:
    remote, _ = silent
    with pytest.raises(NodeSilent, match=r"node worker did not answer within 0.05 s"):
        remote.ask("greet", within=0.05, name="oxo")


def test_a_node_that_takes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.remote.TAKES_WITHIN", 0.05)
    ours, theirs = socket.socketpair()
    remote = Remote("worker", ours)
    with pytest.raises(NodeSilent, match=r"node worker does not take what it is asked \('echo'\)"):
        remote.send("echo", value="x" * (LINE_LIMIT // 2))
    theirs.close()
    remote.close()


def test_a_node_that_does_not_stop(silent: Silent) -> None:
    remote, _ = silent
    with pytest.raises(NodeSilent, match=r"node worker did not stop within 0.05 s"):
        remote.hang_up(within=0.05)


def test_a_node_that_says_nothing_of_being_ready(silent: Silent) -> None:
    remote, _ = silent
    with pytest.raises(NodeSilent, match=r"did not say (ready or failed|failed or ready) within 0.05 s"):
        remote.wait_until_ready(within=0.05)


def test_what_a_node_said_unasked_is_kept_until_it_is_wanted(silent: Silent) -> None:
    remote, theirs = silent
    number = remote.send("greet")
    theirs.sendall(b'{"event": "noise"}\n{"event": "loud", "how": 3}\n{"id": 99, "result": 0}\n')
    theirs.sendall(json.dumps({"id": number, "result": "hello"}).encode() + b"\n" + b'{"id": 98, "result": 0}\n')
    assert remote.receive(number) == "hello"
    assert remote.event({"loud"}) == {"event": "loud", "how": 3}
    assert remote.event({"noise", "other"}) == {"event": "noise"}
    with pytest.raises(NodeSilent):
        remote.event({"noise"}, within=0.05)


def test_an_answer_in_pieces(silent: Silent) -> None:
    remote, theirs = silent
    number = remote.send("greet")
    for byte in b'{"id": 1, "result": "h\xc3\xa9"}\n':
        theirs.sendall(bytes([byte]))
    assert remote.receive(number) == "hé"


@pytest.mark.parametrize("line", [b"no json\n", b"[]\n", b"3\n", b"\xff\n"])
def test_a_node_that_says_nonsense(silent: Silent, line: bytes) -> None:
    remote, theirs = silent
    theirs.sendall(line)
    with pytest.raises(NodeBroken, match="node worker said something that is no JSON"):
        remote.wait_until_ready()


def test_a_node_that_never_ends_its_line(silent: Silent) -> None:
    remote, theirs = silent
    flood = threading.Thread(target=lambda: theirs.sendall(b"x" * (LINE_LIMIT + 100_000)))
    flood.start()
    with pytest.raises(NodeBroken, match=f"sent a line of more than {LINE_LIMIT} bytes"):
        remote.wait_until_ready()
    remote.close()
    flood.join(10)


def test_a_node_that_is_gone(silent: Silent) -> None:
    remote, theirs = silent
    remote.send("greet")
    theirs.close()
    with pytest.raises(NodeGone, match="node worker is gone"):
        remote.receive(1)
    with pytest.raises(NodeGone, match=r"node worker is gone \(while asked for 'greet'\)"):
        remote.ask("greet")
    with pytest.raises(NodeGone, match="node worker is gone"):
        remote.wait_until_ready()


def test_hanging_up_on_a_node_that_is_gone(silent: Silent) -> None:
    remote, theirs = silent
    theirs.close()
    remote.hang_up()
    remote.close()
    with pytest.raises(NodeGone):
        remote.hang_up()


def test_an_answer_from_before_the_end_is_still_heard(silent: Silent) -> None:
    remote, theirs = silent
    number = remote.send("greet")
    theirs.sendall(b'{"id": 1, "result": "farewell"}\n')
    theirs.close()
    assert remote.receive(number) == "farewell"
    with pytest.raises(NodeGone):
        remote.event({"more"})
