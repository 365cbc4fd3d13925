"""The image: named after what it is made from, and built behind a proxy that intercepts TLS."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import ImageNotFound

from bench.pki import Pki, certificate_pem
from network.docker.engine import Engine
from network.docker.image import context, image_name

ROOT = Path(__file__).parents[2]


def name_in(checkout: Path) -> str:
    program = "from network.docker.image import image_name; print(image_name())"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy = tmp_path / "checkout"
    for part in ("network", "node", "images"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", copy)
    return copy


@pytest.mark.parametrize("changed", ["images/Dockerfile", "requirements.lock"])
def test_a_change_makes_it_another_image(checkout: Path, changed: str) -> None:
    before = name_in(checkout)
    assert before == image_name()
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    assert name_in(checkout) != before
    shutil.copy(ROOT / changed, checkout / changed)
    assert name_in(checkout) == before


def test_code_is_not_in_it(checkout: Path) -> None:
    before = name_in(checkout)
    with (checkout / "node" / "program.py").open("a") as file:
        file.write("# changed\n")
    assert name_in(checkout) == before


@pytest.fixture
def tag() -> Iterator[str]:
    """A name for an image that is gone afterwards."""
    tag = f"oxobench-test:{uuid.uuid4().hex[:12]}"
    yield tag
    client = docker.from_env()
    try:
        client.images.remove(tag, force=True)
    except ImageNotFound:
        pass
    finally:
        client.close()


@pytest.mark.docker
def test_a_companys_authority_is_trusted_while_it_is_built(
    tmp_path: Path, tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = certificate_pem(Pki().stranger)
    (tmp_path / "bundle.pem").write_text(authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle.pem"))
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    engine, client = Engine(), docker.from_env()
    try:
        said = list(
            engine.client.build(
                fileobj=context(),
                custom_context=True,
                dockerfile="images/Dockerfile",
                target="base",
                tag=tag,
                rm=True,
                decode=True,
            )
        )
        assert not any("error" in line for line in said), said
        show = ["cat", "/etc/ssl/company.pem", "/etc/apt/apt.conf.d/90company"]
        seen = client.containers.run(tag, show, remove=True, network_mode="none").decode()
    finally:
        engine.close()
        client.close()
    assert authority.strip() in seen
    assert 'Acquire::https::CaInfo "/etc/ssl/company.pem";' in seen
