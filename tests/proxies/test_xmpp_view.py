"""XMPP made readable in mitmweb: what is shown, what is hidden, and what is left as it is."""

from __future__ import annotations

import base64
import importlib
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy.http import HTTPFlow, Response
from mitmproxy.test.tflow import tflow
from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

from emulators.cloudconnect.credentials import Credentials
from emulators.cloudconnect.requests import OpenRequest, VpnParameters
from emulators.pbxagent import credentials
from emulators.xmpp.client import ClientStream
from emulators.xmpp.element import serialize
from emulators.xmpp.sasl import Mechanism
from proxies.contentview import XmppView, add_view
from proxies.xmppview import DEPTH_LIMIT, SIZE_LIMIT, STARS, NotXmpp, plain, pretty

SECRET = "kGR7zCF3wYtPq9"


def shown(message: str) -> str:
    return plain(pretty(message.encode()))


def session(subprotocol: str = "xmpp") -> HTTPFlow:
    flow = tflow(ws=True)
    flow.response = Response.make(101, b"", {"Sec-WebSocket-Protocol": subprotocol})
    return flow


def in_mitmweb(data: bytes, flow: HTTPFlow, view: str = "auto") -> str:
    """What mitmweb shows of a WebSocket message, by the way that this version of mitmproxy has."""
    add_view()
    views = importlib.import_module("mitmproxy.contentviews")
    message = WebSocketMessage(Opcode.TEXT, True, data)
    if hasattr(views, "registry"):
        known = views.Metadata(flow=flow, websocket_message=message)
        text: str = views.registry.get_view(data, known, view).prettify(data, known)
        return text
    _, lines, error = views.get_message_content_view(view, message, flow)
    assert error is None
    return "\n".join("".join(text for _, text in line) for line in lines)


def test_a_stanza_is_indented_as_it_was_sent() -> None:
    message = (
        '<iq xmlns="jabber:client" type="get" id="r6"><query xmlns="urn:oxobench:devices:1">'
        '<set xmlns="http://jabber.org/protocol/rsm"><max>2</max><after/></set></query></iq>'
    )
    assert shown(message).splitlines() == [
        '<iq xmlns="jabber:client" type="get" id="r6">',
        '  <query xmlns="urn:oxobench:devices:1">',
        '    <set xmlns="http://jabber.org/protocol/rsm">',
        "      <max>2</max>",
        "      <after/>",
        "    </set>",
        "  </query>",
        "</iq>",
    ]


def test_prefixes_stay_and_many_attributes_take_several_lines() -> None:
    message = (
        '<stream:features xmlns:stream="http://etherx.jabber.org/streams"><device id="102-primary" shortNumber="102"'
        ' firstName="Kamala" lastName="Pe&#241;a &amp; S&lt;n" type="Open SIP Phone" rank="0"/></stream:features>'
    )
    assert shown(message).splitlines() == [
        '<stream:features xmlns:stream="http://etherx.jabber.org/streams">',
        '  <device id="102-primary" shortNumber="102" firstName="Kamala"',
        '          lastName="Peña &amp; S&lt;n" type="Open SIP Phone"',
        '          rank="0"/>',
        "</stream:features>",
    ]


def test_text_beside_elements_has_lines_of_its_own() -> None:
    assert shown("<body>one <b>two</b> three</body>").splitlines() == [
        "<body>",
        "  one",
        "  <b>two</b>",
        "  three",
        "</body>",
    ]


@pytest.mark.parametrize("name", ["auth", "challenge", "response", "success"])
@pytest.mark.parametrize("prefix", ["", "sasl"])
def test_what_sasl_carries_is_hidden(name: str, prefix: str) -> None:
    tag, xmlns = (f"{prefix}:{name}", f"xmlns:{prefix}") if prefix else (name, "xmlns")
    text = shown(f'<{tag} {xmlns}="urn:ietf:params:xml:ns:xmpp-sasl">{SECRET}</{tag}>')
    assert SECRET not in text
    assert STARS in text


def test_a_whole_login_shows_no_password() -> None:
    stream = ClientStream("openrainbow.com", "user", SECRET, resource=None, tls=True, mechanisms=(Mechanism.PLAIN,))
    stream.start()
    sasl = "urn:ietf:params:xml:ns:xmpp-sasl"
    stream.receive('<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" from="openrainbow.com" id="1" version="1.0"/>')
    stream.receive(
        '<stream:features xmlns:stream="http://etherx.jabber.org/streams">'
        f'<mechanisms xmlns="{sasl}"><mechanism>PLAIN</mechanism></mechanisms></stream:features>'
    )
    *_, auth = stream.outgoing()
    hidden = base64.b64encode(f"\0user\0{SECRET}".encode()).decode()
    assert hidden in auth
    assert hidden not in shown(auth)
    assert STARS in shown(auth)


def test_what_the_emulators_keep_secret_is_hidden() -> None:
    payloads = [
        credentials.to_element(SECRET),
        Credentials("pbx-1", SECRET).to_element(),
        OpenRequest("Support", "vpn.example", None, VpnParameters("pbx-vpn", SECRET)).to_element(),
    ]
    for payload in payloads:
        sent = serialize(payload)
        assert SECRET in sent
        text = shown(sent)
        assert SECRET not in text
        assert STARS in text


def test_what_is_no_secret_stays_readable() -> None:
    failure = '<failure xmlns="urn:oxobench:cco:1" code="wrong-password"/>'
    assert shown(failure) == failure
    assert shown("<auth/>") == "<auth/>"
    assert shown("<response>200</response>") == "<response>200</response>"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("", "not XML"),
        ("hello", "not XML"),
        ("<a><b></a>", "not XML"),
        ("<a/><b/>", "not XML"),
        ("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "forbids"),
        ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "forbids"),
        ("<a>&e;</a>", "not XML"),
        ("<a><!-- x --></a>", "forbids"),
        ("<a><?x y?></a>", "forbids"),
        ("<a>" * (DEPTH_LIMIT + 1) + "</a>" * (DEPTH_LIMIT + 1), "deeper"),
        ("<a>" + "x" * SIZE_LIMIT + "</a>", "longer"),
    ],
)
def test_what_xmpp_forbids_is_refused(message: str, why: str) -> None:
    with pytest.raises(NotXmpp, match=why):
        pretty(message.encode())


@settings(max_examples=200)
@given(st.binary(max_size=200) | st.text(alphabet="<>/ab=\"'&; \n![]-?", max_size=60).map(str.encode))
def test_garbage_is_refused_and_never_an_error_of_ours(data: bytes) -> None:
    try:
        pretty(data)
    except NotXmpp:
        assert "Traceback" not in in_mitmweb(data, session(), "XMPP")


TEXTS = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20)
NAMES = st.sampled_from(["iq", "query", "device", "body"])
TREES = st.recursive(
    st.builds(ElementTree.Element, NAMES, st.dictionaries(st.sampled_from(["id", "type", "to"]), TEXTS)),
    lambda inner: st.builds(
        lambda name, children: ElementTree.fromstring(
            f"<{name}>{''.join(ElementTree.tostring(child, 'unicode') for child in children)}</{name}>"
        ),
        NAMES,
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=100)
@given(TREES)
def test_what_is_shown_is_the_same_element(tree: ElementTree.Element) -> None:
    again = ElementTree.fromstring(shown(ElementTree.tostring(tree, "unicode")))
    assert [(each.tag, each.attrib) for each in again.iter()] == [(each.tag, each.attrib) for each in tree.iter()]


def test_mitmweb_chooses_the_view_for_xmpp_by_itself() -> None:
    text = in_mitmweb(b'<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="PLAIN">AHVzZXIA</auth>', session())
    assert STARS in text
    assert "AHVzZXIA" not in text


def test_mitmweb_leaves_everything_else_to_its_own_views() -> None:
    view = XmppView()
    data = b"<password>x</password>"
    assert view.render_priority(data) < 0
    assert STARS not in in_mitmweb(data, session("other"))
    assert '"a"' in in_mitmweb(b'{"a": 1}', session())


@pytest.mark.parametrize("data", [b"\xff\xfe<a>", b"<a><b></a>", b"not XML", b"<a>" * 100])
@pytest.mark.parametrize("view", ["auto", "XMPP"])
def test_garbage_is_shown_as_it_is_without_a_traceback(data: bytes, view: str) -> None:
    text = in_mitmweb(data, session(), view)
    assert "Traceback" not in text
    assert data[-2:].decode() in text
