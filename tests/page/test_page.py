"""The page of the manual bench, in a real browser, operating a real site."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from emulators.oxo.omc import CONNECTION_STATUS, HISTORY
from emulators.oxo.settings import DEFAULT_ADMINISTRATOR_PASSWORD, Field
from tests.manual.upbench import UpBench
from tests.page.browser import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

WIDE = (1440, 900)
ASSETS = Path(__file__).parents[2] / "bench/manual/page/assets"


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpBench]:
    """A site whose PBX is not configured to use the web proxy."""
    with UpBench(tmp_path_factory.mktemp("up"), "--users", "5", "--proxy", "none") as up:
        yield up


@pytest.fixture
def page(direct: UpBench, browser: Browser) -> Browser:
    """The page of that site, put back to what it is when all is well."""
    direct.call("firewall", policy="permissive")
    direct.call("dns", mode="answer")
    direct.call("proxy", mode="tunnel")
    direct.call("rainbow_fault")
    direct.call("heal")
    if not direct.status()["oxo"]["enabled"]:
        direct.call("oxo_enable", way="omc")
    if direct.status()["link"]["state"] != "connected":
        direct.call("time_advance", seconds=960)
    browser.resize(*WIDE)
    browser.open(direct.page)
    browser.find("#headline", "Connected directly", within=30)
    if browser.texts("[role=tab][aria-selected=true]") != ["Network"]:
        browser.run("sessionStorage.clear()")
        browser.open(direct.page)
        browser.find("#headline", "Connected directly")
    return browser


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
    page.screenshot("page")

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
    seen = []
    page.run("document.body.focus()")
    for _ in range(150):
        page.press(Keys.TAB)
        here = page.run(
            "const e = document.activeElement; return e === document.body ? '' : e.outerHTML.replace(/<\\/.*/, '')"
        )
        if here in ("", *seen[:1]):
            break
        seen.append(here)
    else:
        raise AssertionError(f"TAB goes in circles: {seen[-5:]}")
    assert len(seen) > 20


def test_everything_has_a_name(page: Browser) -> None:
    nameless = page.run(
        """return [...document.querySelectorAll('button, input, select, [role=img], [tabindex="0"]')].filter((e) =>
             !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length || e.getAttribute('aria-labelledby')))
             .map((e) => e.outerHTML.slice(0, 200))"""
    )
    assert nameless == []
    assert (
        page.run(
            "const all = [...document.querySelectorAll('[id]')].map((e) => e.id); "
            "return all.filter((id, i) => all.indexOf(id) !== i)"
        )
        == []
    )


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
    page.resize(360, 780)
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


class _Elsewhere(BaseHTTPRequestHandler):
    """Another site's page, which knows the bench's address and tries everything."""

    target = ""

    def do_GET(self) -> None:
        page = f"""<!doctype html><title>elsewhere</title><script type="module">
        const target = "{self.target}";
        const outcome = {{}};
        const tried = async (name, attempt) => {{ outcome[name] = await attempt().catch((error) => String(error)); }};
        const verb = (headers, mode) => fetch(target + "/api/firewall", {{method: "POST", credentials: "include", mode, headers,
          body: '{{"policy": "deny-all"}}'}}).then((answer) => answer.type + answer.status);
        await tried("post", () => verb({{"Content-Type": "application/json"}}, "cors"));
        await tried("simple", () => verb({{"Content-Type": "text/plain"}}, "no-cors"));
        await tried("read", () => fetch(target + "/", {{credentials: "include"}}).then((answer) => answer.text()));
        await tried("events", () => new Promise((done) => {{
          const source = new EventSource(target + "/events", {{withCredentials: true}});
          source.onerror = () => done("refused"); source.addEventListener("snapshot", () => done("read")); }}));
        await tried("script", () => new Promise((done) => {{
          const script = document.createElement("script"); script.src = target + "/assets/colours.js";
          script.onload = () => done("loaded"); script.onerror = () => done("refused"); document.head.append(script); }}));
        await tried("frame", () => new Promise((done) => {{
          const frame = document.createElement("iframe"); frame.src = target + "/";
          frame.onload = () => {{ try {{ done("shown " + frame.contentDocument.title); }} catch {{ done("refused"); }} }};
          document.body.append(frame); }}));
        document.title = JSON.stringify(outcome);
        </script>""".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_another_sites_page_cannot_operate_the_bench(page: Browser, direct: UpBench, name: str) -> None:
    """The same browser holds the bench's cookie. Another port of loopback is even the same site to it."""
    _Elsewhere.target = direct.page.partition("/?")[0]
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            page.open(f"http://{name}:{server.server_address[1]}/")
            outcome = page.until("its attempts to end", lambda: re.fullmatch(r"\{.*\}", page.driver.title))[0]
        finally:
            server.shutdown()
            serving.join()
    assert '"read":"TypeError' in outcome
    assert '"post":"TypeError' in outcome
    assert '"events":"refused"' in outcome
    assert '"script":"refused"' in outcome
    assert '"frame":"refused"' in outcome or '"frame":"shown "' in outcome
    assert direct.status()["firewall"]["policy"] == "permissive"
    page.console()


def test_without_the_token_there_is_no_page(direct: UpBench, browser: Browser) -> None:
    browser.open(direct.page.partition("?")[0])
    assert "./oxobench up" in browser.find("body").text
    browser.console()


def test_the_script_knows_omc_as_the_pbx_has_it() -> None:
    script = (ASSETS / "omc.js").read_text()
    named = {
        name: re.findall(r'"([^"]+)"', listed) for name, listed in re.findall(r"const (\w+) = \[([^\]]*)\];", script)
    }
    assert named["SHOWN_ONLY"] == [CONNECTION_STATUS, HISTORY]
    assert named["SECRETS"] == [Field.ACTIVATION_CODE, Field.ACTIVATION_PASSWORD, Field.PROXY_PASSWORD]
    assert DEFAULT_ADMINISTRATOR_PASSWORD in (ASSETS / "phone.js").read_text()


def test_nothing_is_fetched_from_elsewhere_and_nothing_stands_in_line() -> None:
    for file in [ASSETS.parent / "index.html", *ASSETS.iterdir()]:
        text = file.read_text()
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, file.name
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), file.name
    page = (ASSETS.parent / "index.html").read_text()
    assert not re.search(r"style=|<style|\son\w+=|<script(?! (type=\"module\" )?src=)", page)
