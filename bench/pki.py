"""The certificates of a site: who signs, and the right and wrong certificates that the PCG can show."""

from __future__ import annotations

import datetime
import enum
from functools import cached_property

import trustme


class CertificateKind(enum.Enum):
    """What certificate the PCG shows."""

    RIGHT = "right"
    WRONG_NAME = "wrong name"
    EXPIRED = "expired"
    UNKNOWN_AUTHORITY = "unknown authority"


class Pki:
    """The authorities of a site and what they sign.

    `ale` stands for ALE's private authority, the only one that a PBX trusts; `proxy` is the one that an inspecting web
    proxy signs with; `stranger` is trusted by nobody.
    """

    @cached_property
    def ale(self) -> trustme.CA:
        """The authority that PBXs trust."""
        return trustme.CA(organization_name="oxobench, in place of ALE")

    @cached_property
    def proxy(self) -> trustme.CA:
        """The authority of the customer's inspecting web proxy."""
        return trustme.CA(organization_name="oxobench customer proxy")

    @cached_property
    def stranger(self) -> trustme.CA:
        """An authority that nobody trusts."""
        return trustme.CA(organization_name="oxobench stranger")

    def certificate(self, kind: CertificateKind, name: str) -> str:
        """A private key and certificate chain, as PEM text, for a server called `name`."""
        authority = self.stranger if kind is CertificateKind.UNKNOWN_AUTHORITY else self.ale
        identity = "wrong." + name if kind is CertificateKind.WRONG_NAME else name
        expired = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        leaf = authority.issue_cert(identity, not_after=expired if kind is CertificateKind.EXPIRED else None)
        return leaf.private_key_and_cert_chain_pem.bytes().decode()


def certificate_pem(authority: trustme.CA) -> str:
    """The authority's certificate, for those who trust it."""
    return authority.cert_pem.bytes().decode()


def signing_pem(authority: trustme.CA) -> str:
    """The authority's private key and certificate, for a proxy that signs with it."""
    return authority.private_key_pem.bytes().decode() + certificate_pem(authority)
