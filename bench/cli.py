"""The command line, `python -m bench.cli COMMAND`: how it begins and ends."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""The exit code of what Ctrl-C ended, as shells have it."""


def main(arguments: list[str]) -> None:
    """The whole command line; exits with its code."""
    try:
        # It takes a while to import, in which it can be interrupted too.
        from bench.commandline import run_command_line

        code = run_command_line(arguments)
    except KeyboardInterrupt:
        print("oxobench: interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
