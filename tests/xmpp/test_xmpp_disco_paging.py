from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.xmpp import disco, paging, ping
from emulators.xmpp.disco import Identity, Info
from emulators.xmpp.element import Element, parse, serialize
from emulators.xmpp.paging import Page, PageRequest, paginate
from emulators.xmpp.stanza import Condition, StanzaError

INFO = "http://jabber.org/protocol/disco#info"
RSM = "http://jabber.org/protocol/rsm"


def again(element: Element) -> Element:
    return parse(serialize(element))


def holding(element: Element) -> Element:
    payload = Element("{urn:x}q")
    payload.append(element)
    return again(payload)


def test_ping() -> None:
    assert again(ping.ping()).tag == ping.TAG == "{urn:xmpp:ping}ping"


@pytest.mark.parametrize(
    "info",
    [Info(()), Info((Identity("server", "im"), Identity("component", "generic", "PCG")), ("urn:x", INFO), "node")],
)
def test_info(info: Info) -> None:
    element = again(info.to_element())
    assert element.tag == disco.INFO == again(disco.info_request()).tag
    assert Info.from_element(element) == info


def test_a_request_may_name_a_node() -> None:
    assert again(disco.info_request("n")).get("node") == "n"


@pytest.mark.parametrize(
    "text",
    [
        f"<query xmlns='{INFO}'><identity type='x'/></query>",
        f"<query xmlns='{INFO}'><identity category='x'/></query>",
        f"<query xmlns='{INFO}'><feature/></query>",
    ],
)
def test_broken_info_is_refused(text: str) -> None:
    with pytest.raises(StanzaError, match="bad-request"):
        Info.from_element(parse(text))


def test_a_page_without_a_count_that_can_be_is_refused() -> None:
    with pytest.raises(StanzaError, match="bad-request"):
        Page.find(parse(f"<q><set xmlns='{RSM}'><count>x</count></set></q>"))


@pytest.mark.parametrize("request_", [PageRequest(), PageRequest(0), PageRequest(10, "a b"), PageRequest(None, "x")])
def test_a_page_request_is_read_back(request_: PageRequest) -> None:
    assert PageRequest.find(holding(request_.to_element())) == request_


@pytest.mark.parametrize(
    "page", [Page(None, None, None, 0), Page("a", 0, "b", 2), Page("a", None, "b", None), Page(None, None, None, None)]
)
def test_a_page_is_read_back(page: Page) -> None:
    assert Page.find(holding(page.to_element())) == page


def test_no_set_means_everything() -> None:
    assert PageRequest.find(Element("{urn:x}q")) == PageRequest()
    assert Page.find(Element("{urn:x}q")) is None
    assert f"{{{RSM}}}set" == paging.TAG


@pytest.mark.parametrize(
    ("inner", "condition"),
    [
        ("<max>-1</max>", Condition.BAD_REQUEST),
        ("<max/>", Condition.BAD_REQUEST),
        ("<max>ten</max>", Condition.BAD_REQUEST),
        ("<max>٣</max>", Condition.BAD_REQUEST),
        (f"<max>{'9' * 5000}</max>", Condition.BAD_REQUEST),
        ("<max>5</max><before/>", Condition.FEATURE_NOT_IMPLEMENTED),
        ("<max>5</max><index>3</index>", Condition.FEATURE_NOT_IMPLEMENTED),
    ],
)
def test_a_wrong_page_request_is_refused(inner: str, condition: Condition) -> None:
    with pytest.raises(StanzaError) as caught:
        PageRequest.find(parse(f"<q><set xmlns='{RSM}'>{inner}</set></q>"))
    assert caught.value.condition is condition


@given(st.integers(0, 40), st.integers(1, 15))
@settings(max_examples=100)
def test_pages_make_up_the_whole(total: int, size: int) -> None:
    items = list(range(total))
    seen: list[int] = []
    after = None
    for _ in range(total + 1):
        part, page = paginate(items, str, PageRequest(size, after))
        assert page.count == total
        if not part:
            break
        assert (page.first, page.first_index, page.last) == (str(part[0]), len(seen), str(part[-1]))
        seen += part
        after = page.last
    assert seen == items


def test_all_at_once_none_at_all_and_after_what_is_not_there() -> None:
    assert paginate("abc", str, PageRequest()) == (["a", "b", "c"], Page("a", 0, "c", 3))
    assert paginate("abc", str, PageRequest(0)) == ([], Page(None, None, None, 3))
    assert paginate("abc", str, PageRequest(1, "a")) == (["b"], Page("b", 1, "b", 3))
    assert paginate("abc", str, PageRequest(1, "c")) == ([], Page(None, None, None, 3))
    with pytest.raises(StanzaError, match="item-not-found"):
        paginate("abc", str, PageRequest(1, "x"))
