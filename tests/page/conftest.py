"""The browser of the tests of pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.page.browser import Browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests, since it takes a second or two to start."""
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A browser as if it were new."""
    yield chromium
    chromium.reset()
