"""The page by keyboard, on a small screen, in the dark, and for who cannot see it."""

from __future__ import annotations

import re

import pytest
from selenium.webdriver.common.keys import Keys

from tests.manual.upbench import UpBench
from tests.page.browser import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_all_is_done_by_keyboard(page: Browser, direct: UpBench) -> None:
    """From the top of the page: to the controls, to the policies, another one, and its button."""
    page.run("document.activeElement.blur()")
    page.press(Keys.TAB)
    assert "Skip to the controls" in str(page.run("return document.activeElement.textContent"))
    page.press(Keys.ENTER, Keys.TAB)
    assert page.run("return document.activeElement.id") == "tab-network"
    page.press(Keys.ARROW_RIGHT)
    page.find("#panel-pbx")
    page.press(Keys.HOME)
    page.find("#panel-network")
    page.press(Keys.TAB)
    assert page.run("return document.activeElement.value") == "permissive"
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert page.run("return document.activeElement.value") == "rejecting"
    assert direct.status()["firewall"]["policy"] == "permissive", "an arrow key alone must not change the site"
    page.press(Keys.TAB, Keys.TAB)
    ring = page.run("const s = getComputedStyle(document.activeElement); return s.outlineStyle + ' ' + s.outlineWidth")
    assert ring == "solid 2px"
    page.press(Keys.ENTER)
    page.find("#firewall .choice:has(.now)", "rejecting")
    assert "reject with tcp reset" in direct.in_node("firewall", "nft list ruleset")


def test_no_key_is_caught_anywhere(page: Browser) -> None:
    """TAB comes past every control that is shown and out of the page again."""
    seen: list[str] = []
    page.run("document.body.focus()")
    for _ in range(150):
        page.press(Keys.TAB)
        here = page.run(
            "const e = document.activeElement; return e === document.body ? '' : e.outerHTML.replace(/<\\/.*/, '')"
        )
        if here in ("", *seen[:1]):
            break
        seen.append(str(here))
    else:
        raise AssertionError(f"TAB goes in circles: {seen[-5:]}")
    assert len(seen) > 20


def test_everything_has_a_name(page: Browser) -> None:
    nameless = page.run(
        """const named = (e) => e.textContent.trim() || e.ariaLabel || e.labels?.length;
        const all = document.querySelectorAll("button, input, select, [role=img], [tabindex='0']");
        return [...all].filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 200));"""
    )
    assert nameless == []
    doubled = page.run(
        """const all = [...document.querySelectorAll("[id]")].map((e) => e.id);
        return all.filter((id, index) => all.indexOf(id) !== index);"""
    )
    assert doubled == []


def test_the_controls_are_locked_while_time_passes_and_the_focus_comes_back(page: Browser) -> None:
    page.run(
        """window.locked = [];
        new MutationObserver(() => window.locked.push(document.querySelector('#firewall fieldset').disabled))
          .observe(document.querySelector('#firewall fieldset'), {attributes: true, attributeFilter: ['disabled']});
        document.querySelector('#time button').focus();"""
    )
    page.click("#time button", "16 min")
    page.until("time to have passed", lambda: page.run("return window.locked.length === 2"), within=60)
    assert page.run("return window.locked") == [True, False]
    assert page.run("return document.activeElement.textContent") == "16 min"


def test_in_the_dark(page: Browser) -> None:
    def brightness() -> int:
        colour = page.run("return getComputedStyle(document.documentElement).backgroundColor")
        return sum(map(int, re.findall(r"\d+", str(colour))[:3]))

    assert brightness() > 600
    page.dark()
    assert brightness() < 100
    page.screenshot("page-dark")
    page.click("#colours option[value=light]")
    assert brightness() > 600
    page.run("location.reload()")
    page.find("#headline", "Connected")
    assert brightness() > 600
    page.click("#colours option[value=auto]")
    assert brightness() < 100


def test_on_a_telephone(page: Browser) -> None:
    for width in (360, 320):
        page.resize(width, 780)
        page.find("#drawing svg[data-layout=narrow]")
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")
        for tab in ("PBX", "Rainbow", "Cloud Connect", "Evidence", "Network"):
            page.click("[role=tab]", tab)
            assert page.run("return document.documentElement.scrollWidth <= innerWidth"), tab
    page.resize(360, 1240)
    page.run("scrollTo(0, 0)")
    page.screenshot("page-narrow")


def test_who_wants_less_motion_sees_none(page: Browser, direct: UpBench) -> None:
    page.driver.execute(
        "executeCdpCommand",
        {
            "cmd": "Emulation.setEmulatedMedia",
            "params": {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]},
        },
    )
    direct.call("firewall", policy="rejecting", cut=True)
    direct.call("time_advance", seconds=120)
    page.find("#headline", "firewall")
    assert page.run("return document.getAnimations().length") == 0
