"""What the set-up makes of pip's output when pip fails."""

from __future__ import annotations

import pytest

from bench.setup import pip_output


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("WARNING: Retrying ... SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "PIP_CERT"),
        ("ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407", "check HTTPS_PROXY"),
        ("NewConnectionError('<pip...>: Failed to establish a new connection", "cannot be reached"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "requirements.lock names"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for ruff==0.1", "OXOBENCH_PYTHON"),
        ("ERROR: something new", "what pip says"),
    ],
)
def test_each_cause_has_its_advice(line: str, advice: str) -> None:
    assert advice in pip_output.advice(["Collecting ruff", line, "ERROR: see above"])


def test_the_last_telling_lines_are_shown() -> None:
    lines = [*(f"Collecting {number}" for number in range(20)), "WARNING: Retrying (Retry(total=4))", "", "ERROR: no"]
    shown = pip_output.last_lines(lines).splitlines()
    assert shown[-2:] == ["  Collecting 19", "  ERROR: no"]
    assert len(shown) == 8


def test_where_there_are_only_warnings_they_are_shown() -> None:
    assert "total=4" in pip_output.last_lines(["WARNING: Retrying (Retry(total=4))"])
