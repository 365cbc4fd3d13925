"""A machine without nft, made of this one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def without_nft(tmp_path: Path) -> list[str]:
    """The beginning of a command that runs the rest as root of a namespace in which no nft can be run."""
    folders = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    nft = shutil.which("nft", path=folders)
    assert nft is not None
    hide = f'mount --bind /dev/null "{Path(nft).resolve()}" && exec "$@"'
    return ["unshare", "--user", "--mount", "--map-root-user", "sh", "-c", hide, "sh"]
