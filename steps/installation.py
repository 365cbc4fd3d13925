"""Steps that install an OXO Connect: its sets, its DNS server, and the pages of OMC that make it known to Rainbow."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from pytest_bdd import given, parsers

from bench.bench import DEFAULT_DOMAIN, Bench
from emulators.oxo.omc import Page
from steps.story import Story


def install(bench: Bench, story: Story, catalogue: dict[str, Any]) -> None:
    """Plugs a PBX in, has Rainbow know it, and fills in OMC's pages without enabling Rainbow."""
    plug_in(bench, catalogue)
    known_by_rainbow(bench, story)


def plug_in(bench: Bench, catalogue: dict[str, Any], vpn: dict[str, Any] | None = None) -> None:
    """Plugs a PBX in and tells it its DNS server."""
    bench.plug_in_oxo(catalogue, vpn)
    bench.oxo.omc(Page.DNS, {"Primary": str(bench.plan.dns_server)})


def known_by_rainbow(bench: Bench, story: Story) -> None:
    """Has Rainbow know the PBX, and fills in its page in OMC without enabling Rainbow."""
    created = bench.rainbow.create()
    story.pbx_id, story.activation_code = created.pbx_id, created.activation_code
    bench.oxo.omc(
        Page.RAINBOW,
        {"Domain": DEFAULT_DOMAIN, "PBX ID": story.pbx_id, "Activation code": story.activation_code},
    )


@given("an OXO Connect that Rainbow knows")
def known_oxo(bench: Bench, story: Story) -> None:
    """A PBX with a few sets."""
    install(bench, story, {"users": 3})


@given(parsers.parse("an OXO Connect with {users:d} users that Rainbow knows"))
def known_oxo_with_users(bench: Bench, story: Story, users: int) -> None:
    """A PBX with that many users, one set each."""
    install(bench, story, {"users": users})


@given(parsers.parse("an OXO Connect with {users:d} users and {secondaries:d} secondary sets that Rainbow knows"))
def known_oxo_with_secondaries(bench: Bench, story: Story, users: int, secondaries: int) -> None:
    """A PBX some of whose users have one or two secondary sets beside their primary one."""
    install(bench, story, {"users": users, "secondaries": secondaries})


@given("an OXO Connect that Rainbow knows, with these sets:")
def known_oxo_with_sets(bench: Bench, story: Story, datatable: list[list[str]]) -> None:
    """A PBX whose sets stand in a file, as an installer's list does."""
    text = io.StringIO()
    csv.writer(text).writerows([[name.replace(" ", "_") for name in datatable[0]], *datatable[1:]])
    path = bench.evidence / "sets.csv"
    path.write_text(text.getvalue())
    story.listed = [tuple(row) for row in datatable[1:]]
    install(bench, story, {"file": str(path)})


@given(parsers.parse('an OXO Connect that Rainbow knows, with the sets of the file "{file}"'))
def known_oxo_with_file(bench: Bench, story: Story, file: str) -> None:
    """A PBX whose sets stand in a CSV or TOML file of the tester's own, named from the folder of the command."""
    install(bench, story, {"file": str(Path(file).absolute())})
