"""SASL (skeleton)."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Mechanism(enum.StrEnum):
    """The SASL mechanisms, strongest first."""

    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_1 = "SCRAM-SHA-1"
    PLAIN = "PLAIN"


@dataclass(frozen=True)
class Credential:
    """One of a user's passwords, and what it is called."""

    label: str
    password: str = field(repr=False)
