"""The certificate authorities of an intercepting proxy, laid out as mitmproxy wants them."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key


class Authorities:
    """A folder with a mitmproxy configuration folder for each CA of the proxy, and the CAs by which it judges servers.

    mitmproxy makes a CA of its own, which takes long, wherever it finds none; here it always finds one.
    An EC key is best: mitmproxy takes 70 ms longer to start with an RSA key.
    """

    def __init__(self, folder: Path, ca_pem: str, other_ca_pem: str | None, upstream_ca_pem: str) -> None:
        self._cas = {folder / "trusted": ca_pem}
        if other_ca_pem is not None:
            self._cas[folder / "other"] = other_ca_pem
        self._upstream_ca_pem = upstream_ca_pem
        self.has_other = other_ca_pem is not None
        self.trusted = str(folder / "trusted")
        self.other = str(folder / "other")
        self.servers = str(folder / "servers.pem")

    def write(self) -> None:
        """Writes everything, readable by its owner only.

        Raises ValueError for a CA that cannot be used, OSError when the folder cannot be written.
        """
        for folder, pem in self._cas.items():
            _check(f"the web proxy's CA ({folder.name})", pem, key=True)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(folder / "mitmproxy-ca.pem", pem)
        _check("the CA by which the web proxy judges servers", self._upstream_ca_pem, key=False)
        _write(Path(self.servers), self._upstream_ca_pem)


def _check(what: str, pem: str, *, key: bool) -> None:
    try:
        x509.load_pem_x509_certificates(pem.encode())
        if key:
            # mitmproxy validates an RSA key when it loads it.
            load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError):
        parts = "a private key without a passphrase and a certificate" if key else "a certificate"
        raise ValueError(f"{what} must be {parts} in PEM") from None


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
