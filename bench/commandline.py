"""The commands of `oxobench COMMAND`, and what becomes of what the user got wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from bench import doctor
from bench.fabrics import AUTO, FABRICS
from bench.manual.commands import COMMANDS
from bench.manual.keeping import Refused
from bench.running import BAD_INPUT, RunRefused, Selection, run_scenarios, run_tests


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Test bench for OXO Connect's Rainbow connection: a PBX, a firewall, a web proxy and Rainbow on one machine."""


@cli.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "-k", "expression", metavar="EXPR", help='Only scenarios whose name matches, such as -k "proxy and not slow".'
)
@click.option("--fabric", type=click.Choice([AUTO, *FABRICS]), default=AUTO, help="What the site is built from.")
@click.option("--real-time", is_flag=True, help="Let no clock jump: a 16-minute delay takes 16 minutes.")
@click.pass_obj
def run(
    pytest_arguments: list[str], paths: tuple[str, ...], expression: str | None, fabric: str, real_time: bool
) -> None:
    """Run scenarios: all of them, or those of the given feature files and folders.

    What comes after -- goes to pytest. The evidence is in artifacts/, one folder a run.
    """
    sys.exit(run_scenarios(Selection(paths, expression), fabric, real_time, pytest_arguments))


@cli.command()
@click.pass_obj
def test(pytest_arguments: list[str]) -> None:
    """Run every test, features included. What comes after -- goes to pytest."""
    sys.exit(run_tests(pytest_arguments))


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


@cli.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The page's port (default: a free one).")
def review(path: Path, port: int) -> None:
    """Open saved flows in mitmweb: one proxy.flows, or those of a scenario's or a run's folder."""
    # mitmproxy takes long to import.
    from bench.review import review as show

    sys.exit(show(path, port))


for _command in COMMANDS:
    cli.add_command(_command)


def run_command_line(arguments: list[str]) -> int:
    """Runs `oxobench` with these arguments, and returns the exit code. What the user got wrong is told in one sentence.

    Raises KeyboardInterrupt when the user ended it; commands exit by SystemExit if they have an exit code of their own.
    """
    own, pytest_arguments = _partition(arguments, "--")
    try:
        # click's own way ends what was interrupted with 1, which would say that the PBX failed.
        cli(own, prog_name="oxobench", obj=pytest_arguments, standalone_mode=False)
    except click.ClickException as wrong:
        wrong.show()
        return BAD_INPUT
    except click.Abort as aborted:
        if not isinstance(aborted.__context__, EOFError):
            raise KeyboardInterrupt from aborted
        _tell("The input ended before it was all there.")
        return BAD_INPUT
    except (RunRefused, Refused) as refusal:
        _tell(str(refusal))
        return BAD_INPUT
    return 0


def _tell(sentence: str) -> None:
    click.echo(f"oxobench: {sentence}", err=True)


def _partition(arguments: list[str], separator: str) -> tuple[list[str], list[str]]:
    if separator not in arguments:
        return arguments, []
    at = arguments.index(separator)
    return arguments[:at], arguments[at + 1 :]
