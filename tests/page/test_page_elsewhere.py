"""The page's server and another site's page in the same browser; and what the page itself is made of."""

from __future__ import annotations

import json
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emulators.oxo.omc import CONNECTION_STATUS, HISTORY
from emulators.oxo.settings import DEFAULT_ADMINISTRATOR_PASSWORD, Field
from tests.manual.upbench import UpBench
from tests.page.browser import Browser

HERE = Path(__file__).parent
ASSETS = HERE.parents[1] / "bench/manual/page/assets"


@pytest.mark.browser
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_another_sites_page_cannot_operate_the_bench(page: Browser, direct: UpBench, name: str) -> None:
    """The same browser holds the bench's cookie. Another port of loopback is even the same site to it."""
    target = direct.page.partition("/?")[0]
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(HERE))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            page.open(f"http://{name}:{server.server_address[1]}/elsewhere.html#{target}")
            outcome = json.loads(page.until("what came of it", lambda: re.fullmatch(r"\{.*\}", page.driver.title))[0])
        finally:
            server.shutdown()
            serving.join()
    for tried in ("post", "read"):
        assert outcome.pop(tried).startswith("TypeError"), tried
    # A form's answer cannot be seen from elsewhere, and one without CORS tells nothing; what counts is what was done.
    assert outcome.pop("simple") in ("opaque0", "TypeError: Failed to fetch")
    assert outcome == {"events": "refused", "script": "refused", "form": "sent", "frame": "refused"}
    assert direct.status()["firewall"]["policy"] == "permissive"
    page.console()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.mark.browser
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
