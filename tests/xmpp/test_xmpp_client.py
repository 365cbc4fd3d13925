"""The client's side, message by message, against what servers of others send."""

from __future__ import annotations

import base64

import pytest
from scramp import ScramMechanism

from emulators.xmpp.client import ClientStream
from emulators.xmpp.conditions import SaslCondition, StreamCondition
from emulators.xmpp.element import parse
from emulators.xmpp.events import (
    Authenticated,
    AuthenticationFailed,
    Bound,
    StanzaReceived,
    StreamClosed,
    StreamFailed,
    StreamOpened,
)
from emulators.xmpp.jid import Jid
from emulators.xmpp.sasl import Mechanism
from emulators.xmpp.stream import StreamState

OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='example.com' id='1' version='1.0' xml:lang='en'/>"
CLOSE = '<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>'
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SUCCESS = f"<success xmlns='{SASL}'/>"


def features(inner: str) -> str:
    opening = "<stream:features xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'>"
    return f"{opening}{inner}</stream:features>"


def mechanisms(*names: str) -> str:
    inner = "".join(f"<mechanism>{name}</mechanism>" for name in names)
    return features(
        f"<mechanisms xmlns='{SASL}'>{inner}</mechanisms><c xmlns='http://jabber.org/protocol/caps' node='x'/>"
        "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism></authentication>"
        "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/></sasl-channel-binding>"
    )


BINDABLE = features(
    f"<sm xmlns='urn:xmpp:sm:3'><optional/></sm><bind xmlns='{BIND}'><required/></bind>"
    "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>"
    "<ver xmlns='urn:xmpp:features:rosterver'/>"
)
BOUND = (
    f"<iq xmlns='jabber:client' id='bind' type='result'><bind xmlns='{BIND}'><jid>pbx@example.com/x</jid></bind></iq>"
)
PLAIN = mechanisms("PLAIN")
SCRAM = mechanisms("SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "X-OAUTH2")
STAGES = {
    "opening": (),
    "negotiating": (OPEN,),
    "authenticating": (OPEN, PLAIN),
    "reopening": (OPEN, PLAIN, SUCCESS),
    "authenticated": (OPEN, PLAIN, SUCCESS, OPEN),
    "binding": (OPEN, PLAIN, SUCCESS, OPEN, BINDABLE),
    "bound": (OPEN, PLAIN, SUCCESS, OPEN, BINDABLE, BOUND),
}


def client(*texts: str, resource: str | None = None) -> ClientStream:
    """A client that has heard these messages; what it said so far has been taken away."""
    stream = ClientStream("example.com", "pbx", "secret", resource=resource, tls=True)
    stream.start()
    for text in texts:
        stream.receive(text)
    stream.outgoing()
    return stream


def failure(stream: ClientStream, text: str, condition: StreamCondition) -> None:
    events = stream.receive(text)
    assert isinstance(events[-1], StreamFailed)
    assert (events[-1].condition, events[-1].from_peer) == (condition, False)
    said = [parse(each).tag.rpartition("}")[2] for each in stream.outgoing()]
    assert said == ["error", "close"]
    assert stream.state is StreamState.CLOSED
    assert stream.receive(OPEN) == []


def refusal(stream: ClientStream, text: str, condition: SaslCondition, *said: str) -> AuthenticationFailed:
    (event,) = stream.receive(text)
    assert isinstance(event, AuthenticationFailed)
    assert event.condition is condition
    assert [parse(each).tag.rpartition("}")[2] for each in stream.outgoing()] == [*said, "close"]
    assert stream.state is StreamState.CLOSING
    return event


def carry(name: str, data: str | bytes) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return f"<{name} xmlns='{SASL}'>{base64.b64encode(raw).decode()}</{name}>"


class Server:
    """A SCRAM server of others, up to its last word."""

    def __init__(self, password: str = "secret", iterations: int = 4096) -> None:
        mechanism = ScramMechanism("SCRAM-SHA-256")
        keys = mechanism.make_auth_info(password, iteration_count=iterations)
        self.scram = mechanism.make_server(lambda name: keys)
        self.client = client(OPEN)
        self.client.receive(SCRAM)
        self.scram.set_client_first(self.said("auth"))
        self.challenge = carry("challenge", self.scram.get_server_first())

    def said(self, name: str) -> str:
        (text,) = self.client.outgoing()
        element = parse(text)
        assert element.tag == f"{{{SASL}}}{name}"
        return base64.b64decode(element.text or "").decode()

    def last_word(self) -> str:
        assert self.client.receive(self.challenge) == []
        self.scram.set_client_final(self.said("response"))
        return str(self.scram.get_server_final())


def test_the_way_up_against_a_usual_server() -> None:
    stream = ClientStream("example.com", "pbx", "secret", tls=True)
    stream.start()
    assert stream.outgoing() == ['<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="example.com" version="1.0"/>']
    assert stream.receive(OPEN) == [StreamOpened("1")]
    assert stream.outgoing() == []
    assert stream.receive(PLAIN) == []
    assert stream.outgoing() == [f'<auth xmlns="{SASL}" mechanism="PLAIN">AHBieABzZWNyZXQ=</auth>']
    assert stream.receive(SUCCESS) == [Authenticated("pbx")]
    assert stream.outgoing() == ['<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="example.com" version="1.0"/>']
    assert stream.receive(OPEN) == [StreamOpened("1")]
    assert stream.receive(BINDABLE) == []
    assert stream.outgoing() == [f'<iq xmlns="jabber:client" type="set" id="bind"><bind xmlns="{BIND}"/></iq>']
    assert stream.receive(BOUND) == [Bound(Jid("pbx", "example.com", "x"))]
    assert stream.state is StreamState.BOUND


def test_a_wished_resource_is_asked_for() -> None:
    stream = client(*STAGES["authenticated"], resource="rainbow")
    stream.receive(BINDABLE)
    assert "<resource>rainbow</resource>" in stream.outgoing()[0]


def test_the_last_word_may_come_with_the_success() -> None:
    server = Server()
    assert server.client.receive(carry("success", server.last_word())) == [Authenticated("pbx")]


def test_the_last_word_may_come_as_a_challenge() -> None:
    server = Server()
    assert server.client.receive(carry("challenge", server.last_word())) == []
    assert server.client.outgoing() == [f'<response xmlns="{SASL}"/>']
    assert server.client.receive(SUCCESS) == [Authenticated("pbx")]


def test_a_server_that_proves_nothing_is_refused() -> None:
    for late in ("", "v=" + base64.b64encode(bytes(32)).decode(), "v=!", "e=other-error", "e=new-error", "x", b"\xff"):
        server = Server()
        server.last_word()
        event = refusal(server.client, carry("success", late), SaslCondition.ABORTED)
        assert event.text == "the server did not prove that it knows the password"
    server = Server()
    refusal(server.client, SUCCESS, SaslCondition.ABORTED)
    server = Server()
    server.last_word()
    refusal(
        server.client, carry("challenge", "v=" + base64.b64encode(bytes(32)).decode()), SaslCondition.ABORTED, "abort"
    )


@pytest.mark.parametrize(
    "challenge",
    ["", "x", "e=other-error", "e=new-error",
     "r=other,s=" + "A" * 24 + ",i=4096", "m=x", b"\xff\xfe", "r={nonce}x,s=AAAA,i=4096", "r={nonce},s=,i=1",
     "r={nonce}x,s=" + "A" * 24 + ",i=4095", "r={nonce}x,s=" + "A" * 24 + ",i=" + "9" * 5000,
     "r={nonce}x,s=" + "A" * 24 + ",i=600001"],
)  # fmt: skip
def test_a_wrong_challenge_is_refused(challenge: str | bytes) -> None:
    stream = client(OPEN)
    stream.receive(SCRAM)
    nonce = base64.b64decode(parse(stream.outgoing()[0]).text or "").decode().rpartition("r=")[2]
    data = challenge.replace("{nonce}", nonce) if isinstance(challenge, str) else challenge
    event = refusal(stream, carry("challenge", data), SaslCondition.ABORTED, "abort")
    assert "secret" not in (event.text or "")


def test_challenges_have_an_end() -> None:
    server = Server()
    assert server.client.receive(carry("challenge", server.last_word())) == []
    server.client.outgoing()
    refusal(server.client, carry("challenge", "x"), SaslCondition.ABORTED, "abort")


def test_plain_has_no_challenge_and_nothing_to_verify() -> None:
    refusal(client(OPEN, PLAIN), f"<challenge xmlns='{SASL}'/>", SaslCondition.ABORTED, "abort")
    assert client(OPEN, PLAIN).receive(carry("success", "whatever")) == [Authenticated("pbx")]


@pytest.mark.parametrize("name", ["challenge", "success"])
def test_what_is_not_base64(name: str) -> None:
    said = ["abort"] if name == "challenge" else []
    refusal(client(OPEN, SCRAM), f"<{name} xmlns='{SASL}'>!</{name}>", SaslCondition.INCORRECT_ENCODING, *said)


@pytest.mark.parametrize("condition", list(SaslCondition))
def test_every_failure_is_told(condition: SaslCondition) -> None:
    text = f"<failure xmlns='{SASL}'><{condition}/><text xml:lang='en'>no</text><x xmlns='urn:x'/></failure>"
    assert refusal(client(OPEN, PLAIN), text, condition).text == "no"


def test_an_unknown_failure_is_not_authorized() -> None:
    text = f"<failure xmlns='{SASL}'><bad-auth/></failure>"
    assert refusal(client(OPEN, PLAIN), text, SaslCondition.NOT_AUTHORIZED).text is None


@pytest.mark.parametrize("offer", [features(""), mechanisms(), mechanisms("SCRAM-SHA-256-PLUS", "EXTERNAL", "")])
def test_a_server_with_nothing_to_log_in_with(offer: str) -> None:
    assert "it offers" in (refusal(client(OPEN), offer, SaslCondition.INVALID_MECHANISM).text or "")


@pytest.mark.parametrize(
    ("stage", "text", "condition"),
    [
        ("opening", OPEN.replace("1.0", "0.9"), StreamCondition.UNSUPPORTED_VERSION),
        ("opening", PLAIN, StreamCondition.POLICY_VIOLATION),
        ("opening", "<a/>", StreamCondition.NOT_AUTHORIZED),
        ("opening", "<open/>", StreamCondition.INVALID_NAMESPACE),
        ("negotiating", OPEN, StreamCondition.POLICY_VIOLATION),
        ("negotiating", SUCCESS, StreamCondition.POLICY_VIOLATION),
        ("negotiating", BOUND, StreamCondition.NOT_AUTHORIZED),
        ("authenticating", PLAIN, StreamCondition.POLICY_VIOLATION),
        ("authenticating", BOUND, StreamCondition.NOT_AUTHORIZED),
        ("reopening", SUCCESS, StreamCondition.POLICY_VIOLATION),
        ("reopening", BINDABLE, StreamCondition.POLICY_VIOLATION),
        ("authenticated", features(""), StreamCondition.UNSUPPORTED_FEATURE),
        ("authenticated", BOUND, StreamCondition.NOT_AUTHORIZED),
        ("binding", "<message xmlns='jabber:client'/>", StreamCondition.NOT_AUTHORIZED),
        ("binding", BOUND.replace("'bind' type", "'other' type"), StreamCondition.NOT_AUTHORIZED),
        ("binding", BOUND.replace("result", "x"), StreamCondition.INVALID_XML),
        ("binding", BOUND.replace("result", "set"), StreamCondition.INVALID_XML),
        ("binding", BOUND.replace("pbx@example.com/x", "@"), StreamCondition.INVALID_XML),
        ("binding", BOUND.replace("jid>", "j>"), StreamCondition.INVALID_XML),
        ("binding", "<iq xmlns='jabber:client' id='bind' type='result'/>", StreamCondition.INVALID_XML),
        ("binding", "<message xmlns='jabber:client' id='bind'/>", StreamCondition.INVALID_XML),
        ("bound", BINDABLE, StreamCondition.POLICY_VIOLATION),
        ("bound", OPEN, StreamCondition.POLICY_VIOLATION),
        ("bound", "<r xmlns='urn:xmpp:sm:3'/>", StreamCondition.UNSUPPORTED_STANZA_TYPE),
        ("bound", "<message/>", StreamCondition.INVALID_NAMESPACE),
        ("bound", "<message xmlns='jabber:client'>", StreamCondition.NOT_WELL_FORMED),
    ],
)
def test_a_server_out_of_order(stage: str, text: str, condition: StreamCondition) -> None:
    failure(client(*STAGES[stage]), text, condition)


def test_a_refused_binding_ends_the_stream() -> None:
    stream = client(*STAGES["binding"])
    error = "<error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    (event,) = stream.receive(f"<iq xmlns='jabber:client' id='bind' type='error'>{error}</iq>")
    reason = "the server refused to bind a resource: conflict"
    assert event == StreamFailed(StreamCondition.UNDEFINED_CONDITION, reason, from_peer=True)
    assert stream.outgoing() == [CLOSE]
    assert stream.state is StreamState.CLOSED


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_server_may_close_or_send_elsewhere_at_any_time(stage: str) -> None:
    stream = client(*STAGES[stage])
    elsewhere = CLOSE.replace("/>", " see-other-uri='wss://other.example.com/x'/>")
    assert stream.receive(elsewhere) == [StreamClosed("wss://other.example.com/x")]
    assert stream.outgoing() == [CLOSE]
    assert stream.state is StreamState.CLOSED


@pytest.mark.parametrize("condition", list(StreamCondition))
@pytest.mark.parametrize("stage", ["opening", "bound"])
def test_a_server_may_fail_at_any_time(stage: str, condition: StreamCondition) -> None:
    stream = client(*STAGES[stage])
    inner = f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    text = "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>why</text><x xmlns='urn:x'/>"
    error = f"<stream:error xmlns:stream='http://etherx.jabber.org/streams'>{inner}{text}</stream:error>"
    assert stream.receive(error) == [StreamFailed(condition, "why", from_peer=True)]
    assert stream.outgoing() == [CLOSE]


def test_an_unknown_stream_error_is_undefined() -> None:
    inner = "<new xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    error = f"<e:error xmlns:e='http://etherx.jabber.org/streams'>{inner}</e:error>"
    expected = StreamFailed(StreamCondition.UNDEFINED_CONDITION, None, from_peer=True)
    assert client(*STAGES["bound"]).receive(error) == [expected]


def test_stanzas_reach_the_client_from_anybody() -> None:
    stream = client(*STAGES["bound"])
    (event,) = stream.receive("<message xmlns='jabber:client' from='a@b/c'><body>hi</body></message>")
    assert isinstance(event, StanzaReceived)
    assert event.stanza.from_ == Jid("a", "b", "c")
    assert stream.receive("<iq xmlns='jabber:client' type='get' id='1'/>") == []
    assert 'type="error"' in stream.outgoing()[0]


def test_mechanisms_may_be_given_by_name() -> None:
    assert Mechanism("SCRAM-SHA-256") is Mechanism.SCRAM_SHA_256
    assert str(Mechanism.PLAIN) == "PLAIN"
