"""The page is left open while the link flaps for an hour: nothing is lost, and nothing grows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.manual.upbench import UpBench
from tests.page.browser import Browser

FLAP_EVERY = 10
"""Seconds of the device's time. The PBX's first delay is as long."""
FLAPS = 360
WARM = 180
"""After so many flaps all that is kept a bounded amount of has been filled: 500 rows, 2000 happenings."""

PAGE_MAY_GROW = 500_000
"""Bytes of JavaScript between the time when it was warm and the end."""
NODES_MAY_GROW = 300
BENCH_MAY_GROW = 12_000
"""kB of the process that serves the page. It keeps a record of a PBX's sessions, and its memory is in pieces."""


@pytest.fixture
def up(tmp_path: Path) -> Iterator[UpBench]:
    with UpBench(tmp_path, "--users", "3", "--proxy", "none") as up:
        yield up


def nodes(page: Browser) -> int:
    """How many nodes of documents the browser holds, what is not in the page any more included."""
    page.run("gc();")
    counts: dict[str, Any] = page.driver.execute("executeCdpCommand", {"cmd": "Memory.getDOMCounters", "params": {}})
    return int(counts["value"]["nodes"])


def reached(page: Browser, number: int) -> bool:
    """Whether the page has shown that happening."""
    return page.run("return seen.last") == number


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_an_hour_of_a_link_that_flaps(up: UpBench, browser: Browser) -> None:
    browser.open(up.page)
    browser.find("#headline", "Connected directly")
    # Counts what the page says it has missed, and sees that no number is skipped or comes twice.
    browser.run(
        """window.seen = {last: null, wrong: 0, gaps: 0, rows: 0};
        new MutationObserver((changes) => {
          const added = changes.flatMap(({addedNodes}) => [...addedNodes]);
          seen.gaps += added.filter((e) => e.classList.contains("gap")).length;
          const ids = added.filter((e) => e.dataset.id).map((e) => Number(e.dataset.id)).sort((a, b) => a - b);
          for (const id of ids) { if (seen.last !== null && id !== seen.last + 1) seen.wrong += 1; seen.last = id; }
          seen.rows = Math.max(seen.rows, document.querySelectorAll("#timeline .row").length);
        }).observe(document.querySelector("#timeline ol"), {childList: true});"""
    )
    flaps, sizes = 0, []
    for flap in range(1, FLAPS + 1):
        if up.status()["link"]["state"] == "connected":
            up.call("rainbow_drop", code=1001)
            flaps += 1
        up.call("time_advance", seconds=FLAP_EVERY)
        if flap in (WARM, FLAPS):
            last = up.happened(0)[1][-1]["id"]
            browser.until(f"happening {last}", partial(reached, browser, last))
            sizes.append((browser.heap(), nodes(browser), up.memory()))
    seen: Any = browser.run("return seen")
    print(f"{flaps} flaps, {seen['last']} happenings; JavaScript's bytes, nodes, and kB of the bench: {sizes}")
    assert flaps > FLAPS * 0.9
    assert (seen["wrong"], seen["gaps"]) == (0, 0)
    assert seen["rows"] <= 500
    (heap, dom, memory), (heap_then, dom_then, memory_then) = sizes
    assert heap_then - heap < PAGE_MAY_GROW
    assert dom_then - dom < NODES_MAY_GROW
    assert memory_then - memory < BENCH_MAY_GROW
    assert re.match("Connected|Connecting|Not|Blocked", browser.find("#headline").text)
    assert browser.console() == []
