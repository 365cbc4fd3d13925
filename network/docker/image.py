"""The image of all containers: built from images/Dockerfile when it is first needed, and anew when that has changed."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import requests.exceptions
from docker.errors import DockerException

from network.docker.engine import Engine
from network.fabric import FabricError

_ROOT = Path(__file__).resolve().parents[2]
_DOCKERFILE = Path("images/Dockerfile")
_LOCK = Path("requirements.lock")
_AUTHORITIES = Path("images/ca")
_TRUSTED = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name a bundle of authorities to trust on this machine, the one to prefer first."""


def image_name() -> str:
    """The image for this checkout's Dockerfile and lock file, as `oxobench:<hash>`."""
    content = (_ROOT / _DOCKERFILE).read_bytes() + (_ROOT / _LOCK).read_bytes()
    return f"oxobench:{hashlib.sha256(content).hexdigest()[:12]}"


def say(text: str) -> None:
    """Tells the person at the terminal what takes so long."""
    print(f"oxobench: {text}", file=sys.stderr, flush=True)


def prepare() -> None:
    """Has the image built if the engine does not have it. Raises FabricError."""
    engine = Engine()
    try:
        provide(engine)
    finally:
        engine.close()


def provide(engine: Engine) -> str:
    """The image's name, once the engine has it. Raises FabricError when it cannot be built."""
    name = image_name()
    if engine.has_image(name):
        return name
    with (_ROOT / _DOCKERFILE).open("rb") as alone:
        # Several runs may want it at once.
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not engine.has_image(name):
            begun = time.monotonic()
            say(f"building the image {name} (once, one to three minutes) ...")
            _build(engine, name)
            say(f"the image {name} is ready, after {time.monotonic() - begun:.0f} s")
    return name


def _build(engine: Engine, name: str) -> None:
    arguments = {"PIP_INDEX_URL": os.environ["PIP_INDEX_URL"]} if "PIP_INDEX_URL" in os.environ else {}
    last = ""
    try:
        for line in engine.client.build(
            fileobj=context(),
            custom_context=True,
            dockerfile=str(_DOCKERFILE),
            tag=name,
            buildargs=arguments,
            rm=True,
            forcerm=True,
            decode=True,
            timeout=900,
        ):
            if "error" in line:
                raise FabricError(_why(line["error"], last))
            last = line.get("stream", "").strip() or last
    except (DockerException, requests.exceptions.RequestException) as error:
        raise FabricError(_why(str(error), last)) from error


def _why(error: str, last: str) -> str:
    # What a command said last explains more than that it failed.
    said = re.sub(r"\x1b\[\d*m", "", last if "returned a non-zero code" in error else error)
    return (
        f"The image cannot be built: {' '.join(said.split())[:300].rstrip('.')}. "
        "Where no registry can be reached, images/make-base makes the image that it is built on."
    )


def context() -> io.BytesIO:
    """What the engine gets to build from: a tar file with the Dockerfile, the lock file, and authorities to trust."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for path in (_DOCKERFILE, _LOCK, *_authorities()):
            tar.add(_ROOT / path, arcname=str(path))
        if bundle := next((os.environ[name] for name in _TRUSTED if os.environ.get(name)), None):
            _add_bundle(tar, Path(bundle))
    context.seek(0)
    return context


def _authorities() -> Iterator[Path]:
    yield _AUTHORITIES / "README.md"
    yield from (path.relative_to(_ROOT) for path in sorted((_ROOT / _AUTHORITIES).glob("*.crt")))


def _add_bundle(tar: tarfile.TarFile, bundle: Path) -> None:
    try:
        data = bundle.read_bytes()
    except OSError as error:
        raise FabricError(f"The authorities in {bundle} cannot be read: {error.strerror}.") from error
    entry = tarfile.TarInfo(str(_AUTHORITIES / "machine.crt"))
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
