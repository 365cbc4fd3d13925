"""The command line: `oxobench COMMAND`."""

from __future__ import annotations

import json
import sys

import click

from bench import doctor


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Test bench for OXO Connect's Rainbow connection: a PBX, a firewall, a web proxy and Rainbow on one machine."""


@cli.command(name="doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def examine(as_json: bool) -> None:
    """Say what this machine can do, what is missing, and what to do about it.

    Changes nothing. The exit code is 0 when everything that scenarios need is there, 1 when something is missing.
    """
    report = doctor.examine()
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        doctor.show(report)
    sys.exit(0 if report.ready else 1)


if __name__ == "__main__":
    cli(prog_name="oxobench")
