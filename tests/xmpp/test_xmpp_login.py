"""Our client against our server, and what neither may ever do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.xmpp.client import ClientStream
from emulators.xmpp.conditions import SaslCondition, StreamCondition
from emulators.xmpp.element import Element, parse
from emulators.xmpp.events import (
    Authenticated,
    AuthenticationFailed,
    Bound,
    Event,
    StanzaReceived,
    StreamClosed,
    StreamFailed,
    StreamOpened,
)
from emulators.xmpp.jid import Jid
from emulators.xmpp.sasl import Credential, Mechanism, SaslFailure
from emulators.xmpp.server import ServerStream
from emulators.xmpp.stanza import Iq, IqType, Message, Presence, Stanza
from emulators.xmpp.stream import NotBound, StreamState
from emulators.xmpp.stream_error import StreamError

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
USERS = {"pbx": [Credential("activation code", "1234"), Credential("private code", "sécret=,")], "nobody": []}


def lookup(username: str) -> Sequence[Credential]:
    return USERS.get(username, ())


def talk(client: ClientStream, server: ServerStream) -> tuple[list[Event], list[Event]]:
    """Carries messages both ways until nobody has anything to say; the events of the client and of the server."""
    at_client: list[Event] = []
    at_server: list[Event] = []
    while True:
        up, down = client.outgoing(), server.outgoing()
        if not up and not down:
            return at_client, at_server
        for text in up:
            at_server += server.receive(text)
        for text in down:
            at_client += client.receive(text)


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


def logged_in(mechanism: Mechanism = Mechanism.PLAIN) -> tuple[ClientStream, ServerStream]:
    client = ClientStream("example.com", "pbx", "1234", resource="r", tls=True, mechanisms=[mechanism])
    server = ServerStream("example.com", lookup, tls=True)
    client.start()
    talk(client, server)
    assert client.jid == server.jid == Jid("pbx", "example.com", "r")
    return client, server


@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize(("label", "password"), [(each.label, each.password) for each in USERS["pbx"]])
@pytest.mark.parametrize("resource", [None, "rainbow"])
def test_every_credential_logs_in_by_every_mechanism(
    mechanism: Mechanism, label: str, password: str, resource: str | None
) -> None:
    client = ClientStream("Example.com", "PBX", password, resource=resource, tls=True, mechanisms=[mechanism])
    server = ServerStream("example.com", lookup, tls=True)
    client.start()
    at_client, at_server = talk(client, server)
    assert kinds(at_client) == kinds(at_server) == [StreamOpened, Authenticated, StreamOpened, Bound]
    assert at_client[0] == at_server[0] != at_client[2] == at_server[2]
    assert at_client[1] == Authenticated("PBX")
    assert at_server[1] == Authenticated("pbx", label)
    assert client.jid == server.jid
    assert client.jid is not None
    assert client.jid.bare == Jid("pbx", "example.com")
    assert client.jid.resource == (resource or client.jid.resource)
    assert client.jid.resource
    assert client.state is server.state is StreamState.BOUND


@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("username", ["pbx", "nobody", "unknown", 'not"allowed'])
def test_an_unknown_user_looks_like_a_wrong_password(mechanism: Mechanism, username: str) -> None:
    local = username.replace('"', "")
    client = ClientStream("example.com", local, "wrong", tls=True, mechanisms=[mechanism])
    server = ServerStream("example.com", lookup, tls=True)
    client.start()
    at_client, at_server = talk(client, server)
    assert kinds(at_client) == kinds(at_server) == [StreamOpened, AuthenticationFailed, StreamClosed]
    text = "there is no such user, or the password is wrong"
    assert at_client[1] == at_server[1] == AuthenticationFailed(SaslCondition.NOT_AUTHORIZED, text, local)
    assert client.state is server.state is StreamState.CLOSED
    assert client.jid is server.jid is None


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((Mechanism.PLAIN, Mechanism.SCRAM_SHA_256), "SCRAM-SHA-256"),
        ((Mechanism.PLAIN, Mechanism.SCRAM_SHA_1), "PLAIN"),
        ((Mechanism.SCRAM_SHA_256,), "SCRAM-SHA-256"),
    ],
)
def test_the_strongest_common_mechanism_is_used(offered: Sequence[Mechanism], chosen: str) -> None:
    client = ClientStream("example.com", "pbx", "1234", tls=True)
    server = ServerStream("example.com", lookup, tls=True, mechanisms=offered)
    client.start()
    for text in client.outgoing():
        server.receive(text)
    for text in server.outgoing():
        client.receive(text)
    assert parse(client.outgoing()[0]).get("mechanism") == chosen


def test_without_tls_plain_is_neither_offered_nor_used() -> None:
    server = ServerStream("example.com", lookup, tls=False)
    server.receive(f"<open xmlns='{FRAMING}' to='example.com' version='1.0'/>")
    assert "PLAIN" not in server.outgoing()[1]
    with pytest.raises(ValueError, match="PLAIN needs TLS"):
        ServerStream("example.com", lookup, tls=False, mechanisms=[Mechanism.PLAIN])

    client = ClientStream("example.com", "pbx", "1234", tls=False)
    careless = ServerStream("example.com", lookup, tls=True, mechanisms=[Mechanism.PLAIN])
    client.start()
    at_client, _ = talk(client, careless)
    assert kinds(at_client) == [StreamOpened, AuthenticationFailed, StreamClosed]
    assert isinstance(at_client[1], AuthenticationFailed)
    assert at_client[1].condition is SaslCondition.ENCRYPTION_REQUIRED


def test_no_mechanism_in_common() -> None:
    client = ClientStream("example.com", "pbx", "1234", tls=True, mechanisms=[Mechanism.SCRAM_SHA_1])
    server = ServerStream("example.com", lookup, tls=True, mechanisms=[Mechanism.PLAIN])
    client.start()
    at_client, at_server = talk(client, server)
    assert kinds(at_client) == [StreamOpened, AuthenticationFailed, StreamClosed]
    text = "none of the server's mechanisms can be used (it offers PLAIN)"
    assert at_client[1] == AuthenticationFailed(SaslCondition.INVALID_MECHANISM, text, "pbx")
    assert kinds(at_server) == [StreamOpened, StreamClosed]


@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("condition", list(SaslCondition))
def test_a_server_may_refuse_for_a_reason_of_its_own(mechanism: Mechanism, condition: SaslCondition) -> None:
    def refuse(username: str) -> Sequence[Credential]:
        raise SaslFailure(condition)

    client = ClientStream("example.com", "pbx", "1234", tls=True, mechanisms=[mechanism])
    server = ServerStream("example.com", refuse, tls=True)
    client.start()
    at_client, _ = talk(client, server)
    assert at_client[1] == AuthenticationFailed(condition, None, "pbx")


def test_stanzas_go_both_ways() -> None:
    client, server = logged_in()
    up: list[Stanza] = [Iq(IqType.GET, "1", Element("{urn:x}q")), Message(body="é<&>"), Presence()]
    for stanza in up:
        client.send(stanza)
    assert all('xmlns="jabber:client"' in text for text in client._outgoing)
    _, at_server = talk(client, server)
    received = [event.stanza for event in at_server if isinstance(event, StanzaReceived)]
    assert [type(stanza) for stanza in received] == [Iq, Message, Presence]
    assert {stanza.from_ for stanza in received} == {client.jid}

    request = received[0]
    assert isinstance(request, Iq)
    server.send(request.result())
    at_client, _ = talk(client, server)
    answer = at_client[0]
    assert isinstance(answer, StanzaReceived)
    assert isinstance(answer.stanza, Iq)
    assert (answer.stanza.type, answer.stanza.id, answer.stanza.to) == (IqType.RESULT, "1", client.jid)


def test_either_side_closes_in_order() -> None:
    for closer in (0, 1):
        pair = logged_in()
        pair[closer].send(Presence())
        pair[closer].close()
        pair[closer].close()
        assert pair[closer].state is StreamState.CLOSING
        with pytest.raises(NotBound, match="closing"):
            pair[closer].send(Presence())
        events = talk(*pair)
        assert kinds(events[closer]) == [StreamClosed]
        assert kinds(events[1 - closer]) == [StanzaReceived, StreamClosed]
        assert {stream.state for stream in pair} == {StreamState.CLOSED}
        pair[closer].close()
        pair[closer].fail(StreamCondition.RESET)
        assert talk(*pair) == ([], [])


def test_a_closing_side_still_hears_stanzas() -> None:
    client, server = logged_in()
    client.close()
    server.send(Presence())
    at_client, at_server = talk(client, server)
    assert kinds(at_client) == [StanzaReceived, StreamClosed]
    assert kinds(at_server) == [StreamClosed]


@pytest.mark.parametrize("condition", list(StreamCondition))
@pytest.mark.parametrize("failing", [0, 1])
def test_either_side_fails_and_the_other_hears_why(condition: StreamCondition, failing: int) -> None:
    pair = logged_in()
    pair[failing].fail(condition, "why")
    events = talk(*pair)
    assert events[failing] == []
    assert events[1 - failing] == [StreamFailed(condition, "why", from_peer=True)]
    assert {stream.state for stream in pair} == {StreamState.CLOSED}


def test_before_anything_was_said() -> None:
    for stream in (ClientStream("b", "a", "p", tls=True), ServerStream("b", lookup, tls=True)):
        with pytest.raises(NotBound, match="new"):
            stream.send(Presence())
        stream.close()
        assert stream.state is StreamState.CLOSED
        assert stream.outgoing() == []
        assert stream.receive("<a/>") == []


def test_a_client_starts_once() -> None:
    client = ClientStream("b", "a", "p", tls=True)
    client.start()
    with pytest.raises(ValueError, match="before"):
        client.start()


def test_a_text_that_xml_cannot_carry_is_refused_and_harms_nothing() -> None:
    client, server = logged_in()
    with pytest.raises(ValueError, match=r"U\+0000"):
        client.send(Message(body="\0"))
    client.send(Message(body="x"))
    assert kinds(talk(client, server)[1]) == [StanzaReceived]


@pytest.mark.parametrize(
    ("username", "password", "domain", "resource"),
    [("", "p", "d", None), ("a b", "p", "d", None), ("a", "", "d", None), ("a", "p", "", None), ("a", "p", "d", ""),
     ("a", "\u0378", "d", None), ("a", "\xad", "d", None),
     ("\xad", "p", "d", None), ("\xaf", "p", "d", None)],
)  # fmt: skip
def test_settings_that_make_no_sense(username: str, password: str, domain: str, resource: str | None) -> None:
    with pytest.raises(ValueError, match="address|password|user name"):
        ClientStream(domain, username, password, tls=True, resource=resource)


def test_wrong_settings_of_a_server() -> None:
    with pytest.raises(ValueError, match="address"):
        ServerStream("a b", lookup, tls=True)
    for iterations in (0, 4095, 600_001):
        with pytest.raises(ValueError, match="4096 to 600000"):
            ServerStream("b", lookup, tls=True, iterations=iterations)
    with pytest.raises(ValueError, match="at least one"):
        ServerStream("b", lookup, tls=True, attempts=0)


@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_secrets_are_never_shown(mechanism: Mechanism) -> None:
    client = ClientStream("example.com", "pbx", "hunter2", tls=True, mechanisms=[mechanism])
    server = ServerStream("example.com", lambda _: [Credential("l", "hunter2")], tls=True)
    client.start()
    events = talk(client, server)
    assert "hunter2" not in repr((client, server, events, vars(client).keys(), Credential("l", "hunter2")))
    assert "hunter2" not in repr(vars(client)["_exchange"])
    with pytest.raises(ValueError, match="password") as caught:
        Credential("l", "hunter2\u0378")
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None


WORDS = [
    f"<open xmlns='{FRAMING}' to='example.com' version='1.0'/>",
    f"<open xmlns='{FRAMING}' from='example.com' version='1.0' id='1'/>",
    f"<close xmlns='{FRAMING}'/>",
    f"<close xmlns='{FRAMING}' see-other-uri='wss://x/'/>",
    "<open to='example.com' version='1.0'/>",
    *(
        f"<{name} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'{attribute}>{text}</{name}>"
        for name in ("auth", "challenge", "response", "success", "failure", "abort", "nonsense")
        for attribute in ("", " mechanism='PLAIN'", " mechanism='SCRAM-SHA-256'", " mechanism='X'")
        for text in ("", "=", "!", "AHBieAB3cm9uZw==", "biwsbj1wYngscj1hYmM=", "/w==")
    ),
    "<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>",
    "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns="
    "'urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism><mechanism/></mechanisms></stream:features>",
    "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
    "</stream:features>",
    "<stream:error xmlns:stream='http://etherx.jabber.org/streams'/>",
    *(
        f"<{name} xmlns='jabber:client' id='{id_}' type='{kind}'>{payload}</{name}>"
        for name in ("iq", "message", "presence")
        for id_ in ("", "bind")
        for kind in ("set", "result", "error")
        for payload in ("", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>", "<x/>", "<error/>")
    ),
    "<presence/>",
    "<a/>",
    "<a>",
    " ",
    "",
]


@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=20)), max_size=12), st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_order_of_messages_gets_in_or_breaks_anything(texts: list[str], at_server: bool, opened: bool) -> None:
    stream: ClientStream | ServerStream
    if at_server:
        stream = ServerStream("example.com", lookup, tls=True)
    else:
        stream = ClientStream("example.com", "pbx", "1234", tls=True, mechanisms=[Mechanism.SCRAM_SHA_256])
        stream.start()
    said: list[str] = []
    ended = False
    for text in WORDS[:1] * opened + texts:
        events = stream.receive(text)
        assert not (ended and events)
        assert not {Authenticated, Bound, StanzaReceived} & set(kinds(events))
        ended = ended or bool({StreamClosed, StreamFailed} & set(kinds(events)))
        assert ended == (stream.state is StreamState.CLOSED)
        said += stream.outgoing()
    assert stream.jid is None
    closes = [number for number, text in enumerate(said) if parse(text).tag == f"{{{FRAMING}}}close"]
    assert closes in ([], [len(said) - 1]) or not at_server
    assert len(closes) <= 1


@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=20)), max_size=8), st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_message_breaks_a_bound_stream(texts: list[str], at_server: bool) -> None:
    stream = logged_in()[at_server]
    for text in texts:
        over = stream.state is StreamState.CLOSED
        events = stream.receive(text)
        assert not (over and events)
        assert not {StreamOpened, Authenticated, AuthenticationFailed, Bound} & set(kinds(events))
        for said in stream.outgoing():
            parse(said)


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(list(Mechanism)))
@settings(max_examples=60, deadline=None)
def test_whatever_can_be_a_name_and_a_password_logs_in(username: str, password: str, mechanism: Mechanism) -> None:
    try:
        client = ClientStream("example.com", username, password, tls=True, mechanisms=[mechanism])
    except ValueError:
        return
    server = ServerStream("example.com", lambda _: [Credential("l", password)], tls=True)
    client.start()
    at_client, _ = talk(client, server)
    assert kinds(at_client) == [StreamOpened, Authenticated, StreamOpened, Bound]


def test_errors_speak_for_themselves() -> None:
    assert str(SaslFailure(SaslCondition.ABORTED)) == "aborted"
    assert str(SaslFailure(SaslCondition.ABORTED, "why")) == "aborted: why"
    assert str(StreamError(StreamCondition.RESET, "why")) == "reset: why"


def test_a_stream_may_fail_without_words() -> None:
    client, server = logged_in()
    server.fail(StreamCondition.SYSTEM_SHUTDOWN)
    at_client, _ = talk(client, server)
    assert at_client == [StreamFailed(StreamCondition.SYSTEM_SHUTDOWN, None, from_peer=True)]
