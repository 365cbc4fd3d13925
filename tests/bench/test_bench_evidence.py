"""Where evidence stands and who may read it; and the certificates of a site."""

from __future__ import annotations

import os
import re
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.evidence import new_run_folder, scenario_folder
from bench.pki import CertificateKind, Pki, certificate_pem, signing_pem

HOST = "agent.openrainbow.com"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_runs_folder_is_named_after_its_time_and_process(tmp_path: Path) -> None:
    folder = new_run_folder(tmp_path)
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{os.getpid()}", folder.name)
    assert not folder.exists(), "the first scenario makes it"


def test_the_folders_are_for_their_owner_only(tmp_path: Path) -> None:
    run = tmp_path / "artifacts" / "run"
    folder = scenario_folder(run, "features/wss.feature::test_one[a-b c]")
    assert folder == run / "wss.feature-test_one-a-b-c"
    assert (mode(run), mode(folder)) == (0o700, 0o700)


def test_a_folder_of_the_users_own_is_not_closed_to_others_but_what_is_in_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    folder = scenario_folder(tmp_path, "x")
    assert (mode(tmp_path), mode(folder)) == (0o755, 0o700)


def test_scenarios_of_the_same_name_have_folders_of_their_own(tmp_path: Path) -> None:
    names = [scenario_folder(tmp_path, "features/a.feature::test_x").name for _ in range(3)]
    assert names == ["a.feature-test_x", "a.feature-test_x-2", "a.feature-test_x-3"]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_name_makes_a_folder_in_the_run(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    run = tmp_path_factory.getbasetemp() / "any"
    folder = scenario_folder(run, name)
    assert folder.is_dir()
    assert folder.resolve().parent == run.resolve()
    folder.rmdir()


def test_there_is_an_end_to_it(tmp_path: Path) -> None:
    for number in range(1, 1000):
        (tmp_path / ("x" if number == 1 else f"x-{number}")).mkdir()
    with pytest.raises(FileExistsError, match="a thousand folders for x"):
        scenario_folder(tmp_path, "x")


@pytest.fixture(scope="module")
def authorities() -> Pki:
    return Pki()


def verified(trusted: str, shown: str, name: str) -> str:
    """What a TLS client says that trusts this authority and is shown this certificate; empty when it is content."""
    client_context = ssl.create_default_context(cadata=trusted)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"shown-{os.getpid()}.pem"
    path.touch(0o600)
    try:
        path.write_text(shown)
        server_context.load_cert_chain(path)
    finally:
        path.unlink()
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    return ""


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (CertificateKind.RIGHT, ""),
        (CertificateKind.WRONG_NAME, "Hostname mismatch, certificate is not valid for 'agent.openrainbow.com'."),
        (CertificateKind.EXPIRED, "certificate has expired"),
        (CertificateKind.UNKNOWN_AUTHORITY, "unable to get local issuer certificate"),
    ],
)
def test_what_a_pbx_thinks_of_each_certificate(authorities: Pki, kind: CertificateKind, complaint: str) -> None:
    shown = authorities.certificate(kind, HOST)
    assert verified(certificate_pem(authorities.ale), shown, HOST) == complaint


def test_nobody_trusts_an_authority_but_those_who_are_told_to(authorities: Pki) -> None:
    shown = authorities.certificate(CertificateKind.RIGHT, HOST)
    assert verified(certificate_pem(authorities.proxy), shown, HOST)
    assert verified(certificate_pem(authorities.stranger), shown, HOST)
    stranger = authorities.certificate(CertificateKind.UNKNOWN_AUTHORITY, HOST)
    assert verified(certificate_pem(authorities.stranger), stranger, HOST) == ""


def test_an_authority_is_the_same_each_time_it_is_asked_for(authorities: Pki) -> None:
    assert authorities.ale is authorities.ale
    assert len({certificate_pem(ca) for ca in (authorities.ale, authorities.proxy, authorities.stranger)}) == 3


def test_only_who_signs_gets_the_key(authorities: Pki) -> None:
    assert "PRIVATE KEY" not in certificate_pem(authorities.proxy)
    pem = signing_pem(authorities.proxy)
    assert "PRIVATE KEY" in pem
    assert pem.endswith(certificate_pem(authorities.proxy))
    (certificate,) = x509.load_pem_x509_certificates(pem.encode())
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
