from __future__ import annotations

import pytest

from emulators.xmpp.condition_element import TEXT_LIMIT
from emulators.xmpp.element import Element, parse, serialize
from emulators.xmpp.jid import Jid
from emulators.xmpp.stanza import (
    Condition,
    ErrorKind,
    Iq,
    IqType,
    Message,
    MessageType,
    Presence,
    PresenceType,
    Stanza,
    StanzaError,
    read_stanza,
)

A, B = Jid("a", "example.com", "r"), Jid(None, "example.com")


def again(stanza: Stanza) -> Stanza:
    text = serialize(stanza.to_element())
    assert ' xmlns="jabber:client"' in text
    back = read_stanza(parse(text))
    assert serialize(back.to_element()) == text
    return back


def stanza(text: str) -> Element:
    return parse(text.replace("/>", " xmlns='jabber:client'/>", 1) if "xmlns" not in text else text)


@pytest.mark.parametrize("kind", [IqType.GET, IqType.SET])
def test_a_request_and_its_answers(kind: IqType) -> None:
    request = again(Iq(kind, "1", Element("{urn:x}q"), to=B, from_=A))
    assert isinstance(request, Iq)
    assert (request.type, request.id, request.to, request.from_) == (kind, "1", B, A)
    assert request.payload is not None
    assert request.payload.tag == "{urn:x}q"

    empty = again(request.result())
    assert isinstance(empty, Iq)
    assert (empty.type, empty.id, empty.payload, empty.to, empty.from_) == (IqType.RESULT, "1", None, A, B)

    full = again(request.result(Element("{urn:x}r")))
    assert isinstance(full, Iq)
    assert full.payload is not None
    assert full.payload.tag == "{urn:x}r"

    refused = again(request.refuse(StanzaError(Condition.FORBIDDEN, "no")))
    assert isinstance(refused, Iq)
    assert (refused.type, refused.to, refused.from_) == (IqType.ERROR, A, B)
    assert refused.error is not None
    assert (refused.error.condition, refused.error.kind, refused.error.text) == (
        Condition.FORBIDDEN,
        ErrorKind.AUTH,
        "no",
    )


@pytest.mark.parametrize("kind", list(MessageType))
def test_a_message(kind: MessageType) -> None:
    error = StanzaError(Condition.GONE) if kind is MessageType.ERROR else None
    message = again(Message(kind, "1", "hello <&>", (Element("{urn:x}e"),), A, B, error))
    assert isinstance(message, Message)
    assert (message.type, message.id, message.body, message.to, message.from_) == (kind, "1", "hello <&>", A, B)
    assert [payload.tag for payload in message.payloads] == ["{urn:x}e"]
    assert (message.error is None) == (error is None)


def test_a_message_of_unknown_type_is_normal_and_a_body_may_be_empty() -> None:
    message = read_stanza(parse("<message xmlns='jabber:client' type='x'><body/><body>2</body></message>"))
    assert message.type is MessageType.NORMAL
    assert isinstance(message, Message)
    assert message.body == ""
    assert again(Message()).to_element().get("id") is None


@pytest.mark.parametrize("kind", list(PresenceType))
def test_a_presence(kind: PresenceType) -> None:
    error = StanzaError(Condition.GONE) if kind is PresenceType.ERROR else None
    presence = again(Presence(kind, payloads=(Element("{urn:x}e"),), error=error))
    assert isinstance(presence, Presence)
    assert presence.type is kind
    assert len(presence.payloads) == 1
    assert Presence().to_element().get("type") is None


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("<iq id='1'/>", Condition.BAD_REQUEST),
        ("<iq id='1' type='x'/>", Condition.BAD_REQUEST),
        ("<iq type='get'/>", Condition.BAD_REQUEST),
        ("<iq type='result' id=''/>", Condition.BAD_REQUEST),
        ("<iq type='get' id='1'/>", Condition.BAD_REQUEST),
        ("<iq xmlns='jabber:client' type='set' id='1'><a/><b/></iq>", Condition.BAD_REQUEST),
        ("<iq xmlns='jabber:client' type='result' id='1'><a/><b/></iq>", Condition.BAD_REQUEST),
        ("<presence type='x'/>", Condition.BAD_REQUEST),
        ("<a/>", Condition.BAD_REQUEST),
        ("<iq xmlns='urn:x' type='result' id='1'/>", Condition.BAD_REQUEST),
        ("<message to='@'/>", Condition.JID_MALFORMED),
        ("<message from=''/>", Condition.JID_MALFORMED),
    ],
)
def test_a_stanza_against_the_rules_is_refused(text: str, condition: Condition) -> None:
    with pytest.raises(StanzaError) as caught:
        read_stanza(stanza(text))
    assert caught.value.condition is condition
    assert str(caught.value).startswith(f"{condition}: ")


@pytest.mark.parametrize("condition", list(Condition))
@pytest.mark.parametrize("kind", [None, *ErrorKind])
def test_every_error_is_read_back(condition: Condition, kind: ErrorKind | None) -> None:
    error = StanzaError(condition, kind=kind)
    back = StanzaError.from_element(parse(serialize(error.to_element())))
    assert (back.condition, back.kind, back.text) == (condition, kind or condition.usual_kind, None)
    assert str(back) == condition


def test_a_long_text_in_an_error_is_cut() -> None:
    error = StanzaError(Condition.CONFLICT, "x" * 60_000)
    assert StanzaError.from_element(parse(serialize(error.to_element()))).text == "x" * TEXT_LIMIT


def test_an_unknown_error_is_undefined() -> None:
    iq = read_stanza(
        parse(
            "<iq xmlns='jabber:client' type='error' id='1'><q xmlns='urn:x'/>"
            "<error type='x'><a xmlns='urn:x'/><b xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
    )
    assert isinstance(iq, Iq)
    assert iq.error is not None
    assert (iq.error.condition, iq.error.kind) == (Condition.UNDEFINED_CONDITION, ErrorKind.CANCEL)
    assert iq.payload is not None


def test_an_error_without_its_element_is_still_an_error() -> None:
    for kind in ("iq", "message", "presence"):
        assert read_stanza(stanza(f"<{kind} type='error' id='1'/>")).error is not None


def test_an_error_in_a_result_is_passed_over() -> None:
    iq = read_stanza(parse("<iq xmlns='jabber:client' type='result' id='1'><error/></iq>"))
    assert iq.error is None
