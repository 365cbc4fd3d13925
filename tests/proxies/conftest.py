"""Proxies for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proxies.rig import Start, proxies_in


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts web proxies; they are stopped after the test."""
    yield from proxies_in(tmp_path)
