"""The server's side, message by message."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest
from scramp import ScramClient

from emulators.xmpp.conditions import SaslCondition, StreamCondition
from emulators.xmpp.element import Element, Limits, parse
from emulators.xmpp.events import (
    Authenticated,
    AuthenticationFailed,
    Bound,
    StanzaReceived,
    StreamClosed,
    StreamFailed,
    StreamOpened,
)
from emulators.xmpp.framing import Open
from emulators.xmpp.jid import Jid
from emulators.xmpp.sasl import Credential, Mechanism
from emulators.xmpp.server import ServerStream
from emulators.xmpp.stanza import Iq
from emulators.xmpp.stream import StreamState

OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com' version='1.0'/>"
CLOSE = '<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>'
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
BINDING = f"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='{BIND}'><resource>r</resource></bind></iq>"


def lookup(username: str) -> Sequence[Credential]:
    return [Credential("old", "1234"), Credential("new", "secret")] if username == "pbx" else []


def encoded(data: str | bytes) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def auth(mechanism: str, data: str | bytes | None) -> str:
    text = "" if data is None else encoded(data)
    return f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{text}</auth>"


def response(data: str | bytes) -> str:
    return f"<response xmlns='{SASL}'>{encoded(data)}</response>"


PLAIN = auth("PLAIN", "\0pbx\0secret")


def server(*texts: str, tls: bool = True) -> ServerStream:
    """A server that has heard these messages; what it answered to them has been taken away."""
    stream = ServerStream("example.com", lookup, tls=tls)
    for text in texts:
        stream.receive(text)
    stream.outgoing()
    return stream


STAGES = {
    "new": (),
    "negotiating": (OPEN,),
    "authenticating": (OPEN, auth("SCRAM-SHA-256", "n,,n=pbx,r=abc")),
    "opening": (OPEN, PLAIN),
    "binding": (OPEN, PLAIN, OPEN),
    "bound": (OPEN, PLAIN, OPEN, BINDING),
}


def failure(stream: ServerStream, text: str, condition: StreamCondition) -> None:
    """The message ends the stream with this stream error, and nothing is said or heard afterwards."""
    was_new = stream.state is StreamState.NEW
    events = stream.receive(text)
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].condition is condition
    assert not events[-1].from_peer
    said = stream.outgoing()
    tags = [parse(each).tag.rpartition("}")[2] for each in said]
    assert tags[-2:] == ["error", "close"]
    assert (tags[0] == "open") == was_new
    assert f"<{condition} " in said[-2]
    assert stream.state is StreamState.CLOSED
    assert stream.receive(OPEN) == []
    assert stream.outgoing() == []


def refusal(stream: ServerStream, text: str, condition: SaslCondition, username: str | None = None) -> None:
    """The message makes the login fail with this condition, and the stream goes on."""
    events = stream.receive(text)
    assert len(events) == 1
    assert isinstance(events[0], AuthenticationFailed)
    assert (events[0].condition, events[0].username) == (condition, username)
    said = parse(stream.outgoing()[0])
    assert said.tag == f"{{{SASL}}}failure"
    assert said[0].tag == f"{{{SASL}}}{condition}"
    assert stream.state is StreamState.NEGOTIATING


def test_opening() -> None:
    stream = server()
    events = stream.receive(OPEN)
    answer, features = map(parse, stream.outgoing())
    assert answer.get("id")
    assert events == [StreamOpened(answer.get("id"))]
    assert (answer.get("from"), answer.get("version")) == ("example.com", "1.0")
    assert [each.text for each in features[0]] == list(Mechanism)
    assert [child.tag for child in features] == [f"{{{SASL}}}mechanisms"]


@pytest.mark.parametrize("version", ["1.0", "1.1", "01.0", "2.0", "10.3"])
def test_versions_that_are_spoken(version: str) -> None:
    assert Open(version=version).is_supported


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (OPEN.replace("1.0", "0.9"), StreamCondition.UNSUPPORTED_VERSION),
        (OPEN.replace("1.0", ""), StreamCondition.UNSUPPORTED_VERSION),
        (OPEN.replace("1.0", "1"), StreamCondition.UNSUPPORTED_VERSION),
        (OPEN.replace("1.0", "x.y"), StreamCondition.UNSUPPORTED_VERSION),
        (OPEN.replace(" version='1.0'", ""), StreamCondition.UNSUPPORTED_VERSION),
        (OPEN.replace("example.com", "example.org"), StreamCondition.HOST_UNKNOWN),
        (OPEN.replace(" to='example.com'", ""), StreamCondition.IMPROPER_ADDRESSING),
        (OPEN.replace("xmpp-framing", "x"), StreamCondition.INVALID_NAMESPACE),
        ("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>", StreamCondition.INVALID_NAMESPACE),
        ("<iq xmlns='jabber:server'/>", StreamCondition.INVALID_NAMESPACE),
        ("<a/>", StreamCondition.NOT_AUTHORIZED),
        (PLAIN, StreamCondition.NOT_AUTHORIZED),
        ("<a>", StreamCondition.NOT_WELL_FORMED),
        ("hello", StreamCondition.NOT_WELL_FORMED),
        ("<!DOCTYPE a><a/>", StreamCondition.RESTRICTED_XML),
        ("<a>" + "x" * 600_000 + "</a>", StreamCondition.POLICY_VIOLATION),
    ],
)
def test_a_stream_that_does_not_open_as_it_should(text: str, condition: StreamCondition) -> None:
    failure(server(), text, condition)


@pytest.mark.parametrize("stage", ["new", "negotiating", "authenticating", "opening", "binding"])
@pytest.mark.parametrize("name", ["message", "presence", "iq"])
def test_a_stanza_too_early(stage: str, name: str) -> None:
    text = f"<{name} xmlns='jabber:client' type='error' id='1'/>"
    failure(server(*STAGES[stage]), text, StreamCondition.NOT_AUTHORIZED)


@pytest.mark.parametrize("payload", ["<query xmlns='urn:x'/>", f"<bind xmlns='{BIND}x'/>"])
def test_a_request_too_early(payload: str) -> None:
    request = f"<iq xmlns='jabber:client' type='set' id='1'>{payload}</iq>"
    failure(server(*STAGES["binding"]), request, StreamCondition.NOT_AUTHORIZED)


@pytest.mark.parametrize("stage", ["negotiating", "authenticating", "binding", "bound"])
def test_opening_again(stage: str) -> None:
    failure(server(*STAGES[stage]), OPEN, StreamCondition.POLICY_VIOLATION)


@pytest.mark.parametrize("stage", ["authenticating", "opening", "binding", "bound"])
def test_logging_in_again(stage: str) -> None:
    failure(server(*STAGES[stage]), PLAIN, StreamCondition.POLICY_VIOLATION)


@pytest.mark.parametrize("stage", ["negotiating", "opening", "bound"])
@pytest.mark.parametrize("name", ["response", "abort"])
def test_an_answer_that_nobody_asked_for(stage: str, name: str) -> None:
    failure(server(*STAGES[stage]), f"<{name} xmlns='{SASL}'/>", StreamCondition.POLICY_VIOLATION)


def test_binding_again() -> None:
    failure(server(*STAGES["bound"]), BINDING, StreamCondition.POLICY_VIOLATION)


@pytest.mark.parametrize("stage", ["negotiating", "authenticating", "binding", "bound"])
def test_an_element_nobody_knows(stage: str) -> None:
    failure(server(*STAGES[stage]), "<enable xmlns='urn:xmpp:sm:3'/>", StreamCondition.UNSUPPORTED_STANZA_TYPE)


@pytest.mark.parametrize("stage", list(STAGES))
def test_white_space_is_passed_over(stage: str) -> None:
    stream = server(*STAGES[stage])
    state = stream.state
    assert stream.receive(" \r\n\t") == stream.receive("") == []
    assert stream.outgoing() == []
    assert stream.state is state


@pytest.mark.parametrize("stage", list(STAGES))
def test_closing_at_any_stage(stage: str) -> None:
    stream = server(*STAGES[stage])
    assert stream.receive(CLOSE) == [StreamClosed()]
    assert stream.outgoing() == [CLOSE]
    assert stream.state is StreamState.CLOSED


@pytest.mark.parametrize("stage", ["negotiating", "authenticating", "opening", "bound"])
def test_a_closing_server_passes_over_what_is_not_a_stanza(stage: str) -> None:
    stream = server(*STAGES[stage])
    stream.close()
    assert stream.outgoing() == [CLOSE]
    bound = stage == "bound"
    for text in (OPEN, PLAIN, "<a/>", "<iq xmlns='jabber:client' type='get' id='1'/>"):
        assert stream.receive(text) == []
    assert len(stream.receive("<presence xmlns='jabber:client'/>")) == bound
    assert stream.outgoing() == []
    assert stream.receive(CLOSE) == [StreamClosed()]
    assert stream.outgoing() == []


def test_a_broken_message_after_closing_still_fails() -> None:
    stream = server(*STAGES["bound"])
    stream.close()
    stream.outgoing()
    assert stream.receive("<") != []
    assert len(stream.outgoing()) == 1
    assert stream.state is StreamState.CLOSED


def test_plain_in_two_steps() -> None:
    stream = server(OPEN, auth("PLAIN", None))
    assert stream.state is StreamState.AUTHENTICATING
    assert stream.receive(response("\0pbx\x001234")) == [Authenticated("pbx", "old")]


def test_an_empty_challenge_asks_for_the_first_response() -> None:
    for mechanism in Mechanism:
        stream = server(OPEN)
        assert stream.receive(auth(mechanism, None)) == []
        assert stream.outgoing() == [f'<challenge xmlns="{SASL}"/>']


@pytest.mark.parametrize("acting_as", ["pbx", "PBX", "pbx@example.com"])
def test_a_user_may_act_as_itself(acting_as: str) -> None:
    assert server(OPEN).receive(auth("PLAIN", f"{acting_as}\0Pbx\0secret")) == [Authenticated("pbx", "new")]


@pytest.mark.parametrize(
    ("text", "condition", "username"),
    [
        (auth("PLAIN", "\0pbx\0wrong"), SaslCondition.NOT_AUTHORIZED, "pbx"),
        (auth("PLAIN", "\0pbx\0"), SaslCondition.NOT_AUTHORIZED, "pbx"),
        (auth("PLAIN", "\0pbx\0\u0378"), SaslCondition.NOT_AUTHORIZED, "pbx"),
        (auth("PLAIN", "\0who\0secret"), SaslCondition.NOT_AUTHORIZED, "who"),
        (auth("PLAIN", "\0\0secret"), SaslCondition.NOT_AUTHORIZED, ""),
        (auth("PLAIN", "\0a@b\0secret"), SaslCondition.NOT_AUTHORIZED, "a@b"),
        (auth("PLAIN", "root\0pbx\0secret"), SaslCondition.INVALID_AUTHZID, "pbx"),
        (auth("PLAIN", "pbx\0secret"), SaslCondition.MALFORMED_REQUEST, None),
        (auth("PLAIN", "\0pbx\0secret\0"), SaslCondition.MALFORMED_REQUEST, None),
        (auth("PLAIN", b"\0pbx\0\xff"), SaslCondition.MALFORMED_REQUEST, None),
        (f"<auth xmlns='{SASL}' mechanism='PLAIN'>=</auth>", SaslCondition.MALFORMED_REQUEST, None),
        (f"<auth xmlns='{SASL}' mechanism='PLAIN'>AHBie</auth>", SaslCondition.INCORRECT_ENCODING, None),
        (f"<auth xmlns='{SASL}' mechanism='PLAIN'>é</auth>", SaslCondition.INCORRECT_ENCODING, None),
        (f"<auth xmlns='{SASL}' mechanism='PLAIN'>AHBi\nAA==</auth>", SaslCondition.INCORRECT_ENCODING, None),
        (auth("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=pbx,r=abc"), SaslCondition.INVALID_MECHANISM, None),
        (f"<auth xmlns='{SASL}'/>", SaslCondition.INVALID_MECHANISM, None),
        (auth("SCRAM-SHA-256", "nonsense"), SaslCondition.MALFORMED_REQUEST, None),
        (auth("SCRAM-SHA-256", "n,,n=,r=abc"), SaslCondition.MALFORMED_REQUEST, None),
        (auth("SCRAM-SHA-256", "n,,n=a=b,r=abc"), SaslCondition.MALFORMED_REQUEST, None),
        (auth("SCRAM-SHA-256", "p=tls-unique,,n=pbx,r=abc"), SaslCondition.MALFORMED_REQUEST, None),
        (auth("SCRAM-SHA-256", "n,a=root,n=pbx,r=abc"), SaslCondition.INVALID_AUTHZID, None),
        (auth("SCRAM-SHA-256", b"n,,n=\xff,r=abc"), SaslCondition.MALFORMED_REQUEST, None),
        (f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>=</auth>", SaslCondition.MALFORMED_REQUEST, None),
    ],
)
def test_a_login_that_fails(text: str, condition: SaslCondition, username: str | None) -> None:
    stream = server(OPEN)
    refusal(stream, text, condition, username)
    assert Authenticated("pbx", "new") in stream.receive(PLAIN)


def test_plain_without_tls() -> None:
    refusal(server(OPEN, tls=False), PLAIN, SaslCondition.ENCRYPTION_REQUIRED)


@pytest.mark.parametrize(
    ("message", "condition"),
    [
        ("c=biws,r={nonce},p=" + encoded(bytes(32)), SaslCondition.NOT_AUTHORIZED),
        ("c=biws,r={nonce},p=" + encoded(bytes(3)), SaslCondition.NOT_AUTHORIZED),
        ("c=biws,r=other,p=" + encoded(bytes(32)), SaslCondition.MALFORMED_REQUEST),
        ("c=eSws,r={nonce},p=" + encoded(bytes(32)), SaslCondition.MALFORMED_REQUEST),
        ("c=!,r={nonce},p=" + encoded(bytes(32)), SaslCondition.MALFORMED_REQUEST),
        ("c=biws,r={nonce}", SaslCondition.MALFORMED_REQUEST),
        ("", SaslCondition.MALFORMED_REQUEST),
    ],
)
@pytest.mark.parametrize("username", ["pbx", "unknown"])
def test_a_last_scram_message_that_is_wrong(message: str, condition: SaslCondition, username: str) -> None:
    stream = server(OPEN)
    stream.receive(auth("SCRAM-SHA-256", f"n,,n={username},r=abc"))
    challenge = base64.b64decode(parse(stream.outgoing()[0]).text or "").decode()
    nonce = challenge.split(",")[0][2:]
    assert nonce.startswith("abc")
    refusal(stream, response(message.format(nonce=nonce)), condition, username)


def test_what_is_not_base64_in_the_middle_of_an_exchange() -> None:
    text = f"<response xmlns='{SASL}'>!</response>"
    refusal(server(*STAGES["authenticating"]), text, SaslCondition.INCORRECT_ENCODING, "pbx")


def test_giving_up_in_the_middle_of_an_exchange() -> None:
    refusal(server(*STAGES["authenticating"]), f"<abort xmlns='{SASL}'/>", SaslCondition.ABORTED, "pbx")


def test_the_salt_of_a_user_never_changes_and_every_user_has_one() -> None:
    def salt(username: str) -> str:
        stream = server(OPEN)
        stream.receive(auth("SCRAM-SHA-256", f"n,,n={username},r=abc"))
        parts = base64.b64decode(parse(stream.outgoing()[0]).text or "").decode().split(",")
        assert [part[:2] for part in parts] == ["r=", "s=", "i="]
        assert parts[2] == "i=4096"
        return parts[1]

    assert salt("pbx") == salt("pbx") == salt("PBX")
    assert salt("who") == salt("who")
    assert len({salt("pbx"), salt("who"), salt("other"), salt("a@b")}) == 4


def test_a_scram_client_of_others_logs_in_and_checks_the_server() -> None:
    for password, label in (("1234", "old"), ("secret", "new")):
        client = ScramClient(["SCRAM-SHA-256"], "pbx", password)
        stream = server(OPEN)
        stream.receive(auth("SCRAM-SHA-256", client.get_client_first()))
        client.set_server_first(base64.b64decode(parse(stream.outgoing()[0]).text or "").decode())
        assert stream.receive(response(client.get_client_final())) == [Authenticated("pbx", label)]
        client.set_server_final(base64.b64decode(parse(stream.outgoing()[0]).text or "").decode())


def test_attempts_are_counted() -> None:
    stream = server(OPEN)
    wrong = auth("PLAIN", "\0pbx\0wrong")
    refusal(stream, wrong, SaslCondition.NOT_AUTHORIZED, "pbx")
    refusal(stream, auth("X", None), SaslCondition.INVALID_MECHANISM)
    failure(stream, wrong, StreamCondition.POLICY_VIOLATION)


def test_binding_with_and_without_a_resource() -> None:
    stream = server(OPEN, PLAIN)
    stream.receive(OPEN)
    features = parse(stream.outgoing()[1])
    assert [child.tag.rpartition("}")[2] for child in features] == ["bind", "session"]
    assert [child.tag.rpartition("}")[2] for child in features[1]] == ["optional"]
    assert stream.receive(BINDING) == [Bound(Jid("pbx", "example.com", "r"))]

    for payload in ("", "<resource/>"):
        stream = server(*STAGES["binding"])
        stream.receive(f"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='{BIND}'>{payload}</bind></iq>")
        assert stream.jid is not None
        assert stream.jid.resource
        answer = parse(stream.outgoing()[0])
        assert (answer.get("id"), answer.get("type")) == ("b", "result")
        assert answer.findtext(f"{{{BIND}}}bind/{{{BIND}}}jid") == str(stream.jid)


@pytest.mark.parametrize(
    "text",
    [
        BINDING.replace(">r<", f">{'x' * 1024}<"),
        BINDING.replace("set", "nonsense").replace("id='b'", "id='b' type2=''"),
        f"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='{BIND}'/><bind xmlns='{BIND}'/></iq>",
        f"<iq xmlns='jabber:client' type='set' id='b' to='@'><bind xmlns='{BIND}'/></iq>",
    ],
)
def test_a_binding_that_is_refused_may_be_tried_again(text: str) -> None:
    stream = server(*STAGES["binding"])
    assert stream.receive(text) == []
    if "nonsense" not in text:
        answer = parse(stream.outgoing()[0])
        assert (answer.get("id"), answer.get("type")) == ("b", "error")
    assert stream.receive(BINDING) == [Bound(Jid("pbx", "example.com", "r"))]


def test_an_older_client_may_ask_for_its_session() -> None:
    stream = server(*STAGES["bound"])
    session = "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"
    assert stream.receive(f"<iq xmlns='jabber:client' type='set' id='s'>{session}</iq>") == []
    answer = parse(stream.outgoing()[0])
    assert (answer.get("id"), answer.get("type"), len(answer)) == ("s", "result", 0)


@pytest.mark.parametrize("sender", ["", " from='pbx@example.com'", " from='pbx@example.com/r'"])
def test_the_sender_is_filled_in(sender: str) -> None:
    stream = server(*STAGES["bound"])
    for text in (
        f"<iq xmlns='jabber:client'{sender} type='set' id='1'><q xmlns='urn:x'/></iq>",
        f"<iq xmlns='jabber:client'{sender} type='result' id='1'/>",
        f"<message xmlns='jabber:client'{sender}/>",
    ):
        (event,) = stream.receive(text)
        assert isinstance(event, StanzaReceived)
        assert event.stanza.from_ == Jid("pbx", "example.com", "r")


@pytest.mark.parametrize("sender", ["root@example.com", "example.com", "pbx@example.com/other", "pbx@example.org"])
def test_a_false_sender_ends_the_stream(sender: str) -> None:
    text = f"<presence xmlns='jabber:client' from='{sender}'/>"
    failure(server(*STAGES["bound"]), text, StreamCondition.INVALID_FROM)


def test_malformed_requests_are_refused_and_other_malformed_stanzas_passed_over() -> None:
    stream = server(*STAGES["bound"])
    assert stream.receive("<iq xmlns='jabber:client' type='get' id='1'/>") == []
    answer = parse(stream.outgoing()[0])
    assert (answer.get("type"), answer.get("id")) == ("error", "1")
    assert answer[0][0].tag.endswith("bad-request")
    for text in (
        "<iq xmlns='jabber:client' type='get'/>",
        "<iq xmlns='jabber:client' id='1'/>",
        "<message xmlns='jabber:client' to='@'/>",
        "<presence xmlns='jabber:client' type='x'/>",
    ):
        assert stream.receive(text) == []
    assert stream.outgoing() == []
    assert stream.state is StreamState.BOUND


def test_the_limits_are_the_callers() -> None:
    stream = ServerStream("example.com", lookup, tls=True, limits=Limits(message_bytes=100))
    failure(stream, "<a>" + "x" * 100 + "</a>", StreamCondition.POLICY_VIOLATION)


def test_the_payload_arrives_whole() -> None:
    stream = server(*STAGES["bound"])
    (event,) = stream.receive("<iq xmlns='jabber:client' type='get' id='1'><q xmlns='urn:x' k='v'>t<e/></q></iq>")
    assert isinstance(event, StanzaReceived)
    assert isinstance(event.stanza, Iq)
    payload = event.stanza.payload
    assert isinstance(payload, Element)
    assert (payload.tag, payload.get("k"), payload.text, payload[0].tag) == ("{urn:x}q", "v", "t", "{urn:x}e")
