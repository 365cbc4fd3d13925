"""The page's server and another site's page in the same browser; and what the page itself is made of."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emulators.oxo.omc import CONNECTION_STATUS, HISTORY
from emulators.oxo.settings import DEFAULT_ADMINISTRATOR_PASSWORD, Field
from tests.manual.upbench import UpBench
from tests.page.browser import Browser

ASSETS = Path(__file__).parents[2] / "bench/manual/page/assets"


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
