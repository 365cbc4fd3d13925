"""Reads what pip printed when it failed: which lines to show, and what the person can do."""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 8

_ADVICE = (
    (
        ("CERTIFICATE_VERIFY_FAILED", "SSLError", "SSLCertVerificationError"),
        "Something on the way inspects TLS with a certificate authority of its own: "
        "set PIP_CERT and REQUESTS_CA_BUNDLE to a file with its certificate.",
    ),
    (
        ("ProxyError", "Tunnel connection failed", "Proxy Authentication Required"),
        "The web proxy did not let pip through: check HTTPS_PROXY (http://user:password@host:port).",
    ),
    (
        ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ReadTimeoutError", "Connection"),
        "The package index cannot be reached: check the network, or set HTTPS_PROXY if only a web proxy leads out.",
    ),
    (
        ("DO NOT MATCH THE HASHES",),
        "A package is not the one that requirements.lock names: the index or the way to it changed it.",
    ),
    (("No space left", "Errno 28"), "The disk is full: the packages need about 300 MB."),
    (
        ("No matching distribution", "Could not find a version"),
        "The index offers none for this Python on this kind of machine: check which index pip uses, "
        "or name another Python with OXOBENCH_PYTHON.",
    ),
)
"""What tells a cause, and what to do about it; the first that fits counts."""


def last_lines(lines: Sequence[str]) -> str:
    """The last lines, indented, without pip's repeated warnings about tries that failed."""
    telling = [line for line in lines if line.strip() and not line.startswith("WARNING: Retrying")]
    return "\n".join(f"  {line}" for line in (telling or lines)[-_SHOWN:])


def advice(lines: Sequence[str]) -> str:
    """One sentence on what to do about a failed installation."""
    text = "\n".join(lines)
    for signs, sentence in _ADVICE:
        if any(sign in text for sign in signs):
            return sentence
    return "Put right what pip says."
