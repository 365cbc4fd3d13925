"""Machines without a system tool, made of this one."""

from __future__ import annotations

import pytest

from tests.setup.lacking import without_program


@pytest.fixture
def without_nft() -> list[str]:
    """The beginning of a command that runs the rest as root of a namespace in which no nft can be run."""
    return without_program("nft")


@pytest.fixture
def without_charon() -> list[str]:
    """The same without charon."""
    return without_program("charon-systemd")
