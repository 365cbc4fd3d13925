"""The Python environment: made once, made anew when it no longer fits, never out of somebody else's folder."""

from __future__ import annotations

import hashlib
import socket
import ssl
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from bench.setup import start
from bench.setup.environment import Environment
from bench.setup.report import SetupError

WANTED = "oxobench-sample==1.0 --hash=sha256:{}\n"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "5")
    monkeypatch.setenv("PIP_TARGET", "/nowhere")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    checkout = tmp_path / "check out"
    checkout.mkdir()
    (checkout / "requirements.lock").write_text("# nothing\n")
    return Environment(checkout / ".venv", checkout)


def make_wheel(folder: Path, text: str = "") -> str:
    """Makes a wheel of oxobench-sample 1.0 and returns its hash."""
    folder.mkdir(exist_ok=True)
    wheel = folder / "oxobench_sample-1.0-py3-none-any.whl"
    about = "oxobench_sample-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("oxobench_sample.py", text)
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: oxobench-sample\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def imports(environment: Environment, module: str) -> bool:
    return (
        subprocess.run([environment.python, "-P", "-c", f"import {module}"], stderr=subprocess.DEVNULL).returncode == 0
    )


def want_sample(environment: Environment, digest: str = "0" * 64) -> None:
    (environment.root / "requirements.lock").write_text(WANTED.format(digest))


def test_is_made_once_finds_the_checkout_and_needs_its_python(
    environment: Environment, capfd: pytest.CaptureFixture[str]
) -> None:
    (environment.root / "here.py").touch()
    assert not environment.ready()
    environment.provide()
    assert environment.ready()
    assert imports(environment, "here")
    assert capfd.readouterr().err.count("setting up") == 1
    environment.provide()
    assert capfd.readouterr().err == ""
    environment.python.unlink()
    environment.python.symlink_to("/nowhere/python3.10")
    assert not environment.ready()


def test_a_changed_lock_file_makes_it_anew(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.provide()
    (environment.folder / "old").touch()
    (environment.folder / "link").symlink_to(tmp_path)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    want_sample(environment, make_wheel(tmp_path / "wheels"))
    assert not environment.ready()
    environment.provide()
    assert imports(environment, "oxobench_sample")
    assert {entry.name for entry in environment.folder.iterdir()}.isdisjoint({"old", "link"})
    assert tmp_path.exists()


def test_a_package_that_was_tampered_with_is_refused_and_the_next_start_recovers(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    want_sample(environment, make_wheel(tmp_path / "wheels"))
    make_wheel(tmp_path / "wheels", "print('something else')")
    with pytest.raises(SetupError, match="not the one that requirements.lock names"):
        environment.provide()
    assert not environment.ready()
    want_sample(environment, make_wheel(tmp_path / "wheels"))
    environment.provide()
    assert imports(environment, "oxobench_sample")


def test_a_package_that_is_not_to_be_had(environment: Environment) -> None:
    want_sample(environment)
    with pytest.raises(SetupError, match=r"(?s)oxobench-sample.*another Python with OXOBENCH_PYTHON") as caught:
        environment.provide()
    assert len(str(caught.value).splitlines()) < 12


def test_no_way_to_the_index(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PIP_NO_INDEX", "0")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("PIP_RETRIES", "1")
        want_sample(environment)
        with pytest.raises(SetupError, match="package index cannot be reached.*HTTPS_PROXY"):
            environment.provide()


@contextmanager
def tls_index_of_an_unknown_authority() -> Iterator[int]:
    """A TLS server on loopback whose certificate nobody trusts; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    ending = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not ending.is_set():
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5)
                    context.wrap_socket(connection, server_side=True).close()
            except OSError:
                # The client refuses the certificate, as it must; or nobody came in time.
                continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        yield listener.getsockname()[1]
        ending.set()
        thread.join()


def test_a_proxy_that_inspects_tls(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    with tls_index_of_an_unknown_authority() as port:
        monkeypatch.setenv("PIP_NO_INDEX", "0")
        monkeypatch.setenv("PIP_INDEX_URL", f"https://127.0.0.1:{port}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        want_sample(environment)
        with pytest.raises(SetupError, match="set PIP_CERT and REQUESTS_CA_BUNDLE"):
            environment.provide()


def test_a_folder_of_somebody_else_is_left_alone(environment: Environment) -> None:
    environment.folder.mkdir()
    (environment.folder / "thesis.txt").write_text("mine")
    with pytest.raises(SetupError, match="was not made by oxobench.*OXOBENCH_VENV"):
        environment.provide()
    assert (environment.folder / "thesis.txt").read_text() == "mine"


def test_a_file_in_the_folders_place(environment: Environment) -> None:
    environment.folder.touch()
    with pytest.raises(SetupError, match=r"cannot set up .*File exists.*OXOBENCH_VENV"):
        environment.provide()


def test_the_launcher_says_what_is_wrong(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OXOBENCH_VENV", str(environment.root))
    assert start.main(["doctor"]) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"oxobench: {environment.root} was not made by oxobench")
    assert said.count("\n") == 1
