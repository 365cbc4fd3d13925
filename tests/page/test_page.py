"""The page of the manual bench, in a real browser, operating a real site."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from emulators.oxo.settings import DEFAULT_ADMINISTRATOR_PASSWORD
from tests.manual.upbench import UpBench
from tests.page.browser import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def choose(page: Browser, card: str, value: str) -> None:
    page.click(f"#{card} input[value={value}]")


def wait_out(page: Browser) -> None:
    """Waits until no time passes any more."""
    page.until(
        "the bench not to be busy", lambda: page.run("return !document.querySelector('#firewall fieldset').disabled")
    )


def lines(page: Browser, kind: str) -> int:
    """How many lines of a kind the drawing has."""
    count = page.run("return document.querySelectorAll(arguments[0]).length", f"#drawing .line.{kind}:not(.inner)")
    assert isinstance(count, int)
    return count


def bars(page: Browser) -> int:
    """How many connections end at a bar in the drawing."""
    count = page.run("return document.querySelectorAll('#drawing .bar').length")
    assert isinstance(count, int)
    return count


def test_a_policy_that_is_clicked_is_what_the_kernel_does_and_the_picture_follows(
    page: Browser, direct: UpBench
) -> None:
    assert "dport 443" not in direct.in_node("firewall", "nft list ruleset")
    assert lines(page, "direct") == 4  # PBX and firewall, firewall and PCG; and the same for the CCI

    choose(page, "firewall", "blocking")
    page.click("#firewall input[name=cut]")
    page.click("#firewall button", "Set policy")
    page.find("#firewall .choice:has(.now)", "blocking")
    page.find("#drawing [data-node=firewall]", "blocking")
    assert "tcp dport 443 drop" in direct.in_node("firewall", "nft list ruleset")
    page.find("#timeline .row", "blocking")

    page.click("#time button", "16 min")
    page.find("#headline", "Blocked at the firewall", within=60)
    page.find("#why", "TCP")
    wait_out(page)
    assert (lines(page, "trying"), bars(page)) == (1, 1)
    page.screenshot("page-blocked")

    choose(page, "firewall", "permissive")
    page.click("#firewall button", "Set policy")
    page.find("#firewall .choice:has(.now)", "permissive")
    page.click("#time button", "16 min")
    page.find("#headline", "Connected directly", within=60)
    assert (lines(page, "trying"), bars(page)) == (0, 0)
    assert page.console() == []


def test_behind_a_web_proxy_the_picture_goes_through_it(browser: Browser, tmp_path: Path) -> None:
    with UpBench(tmp_path, "--users", "5", "--proxy", "inspecting") as up:
        browser.resize(1440, 900)
        browser.open(up.page)
        browser.find("#headline", "Connected through the proxy")
        browser.find("#timeline .row", "PBX has stored its final credentials")
        # For Rainbow and for the CCI: PBX and proxy, proxy and firewall, firewall and the service.
        assert (lines(browser, "proxied"), lines(browser, "direct")) == (6, 0)
        assert up.mitmweb == browser.run("return document.querySelector('#evidence a').href")
        browser.screenshot("page")
        up.call("firewall", policy="blocking", cut=True)
        up.call("time_advance", seconds=960)
        browser.find("#headline", "Blocked at the firewall", within=30)
        assert (lines(browser, "proxied.trying"), bars(browser)) == (2, 1)
        assert browser.console() == []


def test_what_is_switched_at_the_phone_shows_up_at_the_pcg(page: Browser, direct: UpBench) -> None:
    page.click("[role=tab]", "PBX")
    page.click("#phone button", "Begin an administrator session")
    page.find("#phone .display", "Password:")
    page.write("#phone input[name=text]", "wrong")
    page.press(Keys.ENTER)
    page.find("#phone .display", "Wrong: 2 tries left")
    page.write("#phone input[name=text]", DEFAULT_ADMINISTRATOR_PASSWORD)
    page.press(Keys.ENTER)
    for key, shown in (("System", "System"), ("Rainbow", "CCCtrlA: enabled"), ("Choice", "CCCtrlA: disabled")):
        page.click(f"#phone [data-key={key}]")
        page.find("#phone .display", shown)
    page.find("#headline", "Rainbow is disabled")
    assert direct.status()["rainbow"]["portal_state"] == "Activated"
    assert direct.status()["rainbow"]["channels"] == []

    page.click("#phone [data-key=Choice]")
    page.find("#phone .display", "CCCtrlA: enabled")
    page.find("#headline", "Connected directly", within=30)
    page.until("the PCG to see it", lambda: direct.status()["rainbow"]["portal_state"] == "Running")
    page.click("#phone button", "Hang up")
    page.find("#phone button", "Begin an administrator session")
    assert page.console() == []


def test_an_omc_page_is_a_form_and_says_by_the_field_what_is_wrong(page: Browser, direct: UpBench) -> None:
    page.click("[role=tab]", "PBX")
    page.click("#omc button", "Open")
    page.find("#omc output", "Connected with")
    code = page.find("#omc input[name='Activation code']")
    assert code.get_attribute("type") == "password"
    assert code.get_attribute("value") == "********"
    page.write("#omc input[name='PBX ID']", "nonsense")
    page.click("#omc form button", "OK")
    page.find("#omc .reason", "must be")
    assert page.run("return document.activeElement.name") == "PBX ID"
    page.click("#omc button", "Cancel")
    page.gone("#omc form[aria-label]")

    page.click("#omc button", "Open")
    page.click("#omc input[name='Rainbow enabled']")
    page.click("#omc form button", "OK")
    page.find("#omc .said", "committed")
    page.find("#headline", "Rainbow is disabled")
    page.find("#state[data-state=off]")
    assert direct.call("oxo_page", page="Rainbow")["PBX ID"].startswith("PBX")
    assert page.console() == []


def test_a_fault_of_the_pcg_and_a_refusal_are_shown_by_their_control(page: Browser, direct: UpBench) -> None:
    page.click("[role=tab]", "Rainbow")
    page.find("#devices tbody tr", "100")
    page.click("#faults select[name=kind] option[value='refuse upgrade']")
    page.write("#faults input[name=value]", "77")
    page.click("#faults button", "Set fault")
    page.find("#faults .said.trouble", "an HTTP status from 400 to 599")
    assert "400 to 599" in str(page.run("return document.getElementById('alarm').textContent"))
    page.write("#faults input[name=value]", "503")
    page.click("#faults button", "Set fault")
    page.find("#drawing [data-node=pcg]", "refuse upgrade")
    assert direct.status()["rainbow"]["fault"] == {"kind": "refuse upgrade", "value": 503}


def test_a_set_that_is_added_appears_among_rainbows_devices(page: Browser) -> None:
    page.click("[role=tab]", "PBX")
    for name, text in (("number", "177"), ("first_name", "Mary"), ("last_name", "Ward")):
        page.write(f"#sets input[name={name}]", text)
    page.click("#sets button", "Add")
    page.click("[role=tab]", "Rainbow")
    page.find("#devices tr", "177 Mary Ward")
    page.click("#devices tr[data-id='177-primary'] button", "Remove")
    page.gone("#devices tr", "177 Mary Ward")


def test_the_web_proxy_is_given_a_mode_with_its_parameters(page: Browser, direct: UpBench) -> None:
    choose(page, "proxy", "authenticating")
    page.click("#proxy button", "Set mode")
    page.find("#proxy .said.trouble", "needs account and password")
    page.write("#proxy input[name=account]", "pbx")
    page.write("#proxy input[name=password]", "geheim")
    page.click("#proxy button", "Set mode")
    page.find("#drawing [data-node=proxy]", "authenticating")
    assert direct.status()["proxy"]["mode"] == "authenticating"


def test_a_dead_node_is_said_to_be_dead_and_is_started_again(page: Browser, direct: UpBench) -> None:
    os.kill(int(direct.call("shell", node="dns")[2]), signal.SIGKILL)
    page.find("#dead", "dns")
    page.find("#drawing [data-node=dns].dead", "ended")
    page.find("#timeline .row", "dns")
    assert "dns" in str(page.run("return document.getElementById('alarm').textContent"))
    page.click("#dead button", "Start again")
    page.gone("#dead")
    page.find("#drawing [data-node=dns].up")


def test_a_pbx_without_power_is_drawn_so_and_comes_back(page: Browser) -> None:
    page.click("[role=tab]", "PBX")
    page.click("#power button", "Power off")
    page.find("#headline", "The PBX has no power")
    page.find("#drawing [data-node=oxo].off")
    assert lines(page, "direct") == 0
    page.click("#power button", "Warm restart")
    page.find("#headline", "Connected directly", within=30)


@pytest.mark.vpn
def test_a_vpn_is_opened_and_drawn_through_the_firewall(page: Browser, direct: UpBench) -> None:
    if not direct.status()["cloud"]["connected"]:
        direct.call("time_advance", seconds=960)
    page.click("[role=tab]", "Cloud Connect")
    page.write("#cloud input[name=user]", "anna")
    page.click("#cloud button", "Open a VPN connection")
    page.find("#cloud .users", "anna", within=30)
    page.find("#cloud p", "10.168.92.1")
    assert lines(page, "tunnel") == 2
    page.screenshot("page-vpn")
    page.click("#cloud button", "Close the VPN")
    page.find("#cloud p", "No VPN tunnel is open", within=30)
    assert lines(page, "tunnel") == 0


def told(page: Browser, text: str) -> bool:
    """Whether the time line shows a row with that text."""
    return text in str(page.run("return document.querySelector('#timeline ol').innerText"))


def test_the_time_line_is_filtered_and_pauses(page: Browser, direct: UpBench) -> None:
    direct.call("dns", mode="nxdomain")
    page.until("the row", lambda: told(page, "nxdomain"))
    page.click("#timeline .chip", "Bench")
    assert not told(page, "nxdomain")
    page.click("#timeline .chip", "Bench")
    assert told(page, "nxdomain")
    page.click("#timeline button", "Pause")
    direct.call("dns", mode="servfail")
    page.find("#timeline button", "Go on (1 new)")
    assert not told(page, "servfail")
    page.click("#timeline button", "Go on")
    assert told(page, "servfail")
