"""What the set-up tells the person who started it: progress, and what went wrong."""

from __future__ import annotations

import sys


class SetupError(Exception):
    """The set-up cannot go on. The text says what is wrong and what to do about it."""


def say(text: str) -> None:
    """Prints a line of progress, to stderr, so that a command's own output stays clean."""
    print(f"oxobench: {text}", file=sys.stderr, flush=True)
