"""Holds README.md and docs/ to what is really there."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.commandline import cli
from emulators.cci.parameters import ServiceParameters
from emulators.cloudconnect.failure import FailureCode
from emulators.door.parameters import DoorParameters
from emulators.oxo.parameters import AgentParameters, ConnectionParameters, LinkParameters
from emulators.oxo.vpnrules import VpnRules
from emulators.rainbow.parameters import GatewayParameters
from network.firewall import policy_names
from steps.proxy import MODES

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
PAGE_NAMES = [page.name for page in PAGES]

_TOP = "bench|conftest|docs|emulators|features|network|node|proxies|steps|tests"
_PATH = re.compile(rf"`((?:{_TOP})/[\w./*-]*|[\w-]+\.(?:toml|lock|ini))(?::\w+)?`")
_MADE_BY_READER = {"network/policies/customer.nft"}
"""Named in the docs as a file that the reader may make."""

_NOT_FOR_READERS = [
    r"/(work|home|root|Users|tmp)/",
    r"(?i)\b(todo|fixme|roadmap|coming soon|work in progress|planned|not yet|stay tuned)\b",
    r"(?i)\b(llm|chatgpt|claude|copilot|prompt|as an ai|ai-generated|language model)\b",
    r"(?i)\b(milestone|sprint|reviewer|pull request|this session|issue #?\d+)\b",
    r"(?i)\b(blazing|seamless|powerful|cutting-edge|world-class|effortless|robust)",
]
"""Paths of one machine, promises, how the project is made, and praise."""


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no heading {title!r}"
    return found[1]


def _first_column(section: str) -> list[str]:
    """The words in backticks that begin the rows of a table."""
    return re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)


def _block(text: str, language: str) -> str:
    """The first code block in that language."""
    found = re.search(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no block of {language}"
    return found[1]


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = next(page for page in PAGES if page.name == name)
    for target in re.findall(r"\]\(([^)\s]+)\)", _text(page)):
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), f"{name} links to {target}"
        assert not anchor or anchor in _anchors(linked), f"{name} links to {target}"


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_every_file_that_is_named_exists(name: str) -> None:
    page = next(page for page in PAGES if page.name == name)
    named = set(_PATH.findall(_text(page))) - _MADE_BY_READER
    missing = [path for path in named if not list(ROOT.glob(path.rstrip("/")))]
    assert not missing, f"{name} names {missing}"


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_no_page_says_what_is_not_for_its_readers(name: str) -> None:
    page = next(page for page in PAGES if page.name == name)
    for pattern in _NOT_FOR_READERS:
        said = [found[0] for found in re.finditer(pattern, _text(page))]
        assert not said, f"{name} says {said}"


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_code_blocks_are_closed_and_tables_are_even(name: str) -> None:
    page = next(page for page in PAGES if page.name == name)
    lines = _text(page).splitlines()
    assert sum(line.startswith("```") for line in lines) % 2 == 0
    for above, below in itertools.pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert above.count("|") == below.count("|"), f"{name}: {below}"


def test_every_page_of_the_docs_is_listed_in_the_readme() -> None:
    for page in PAGES[1:]:
        assert f"(docs/{page.name})" in _section(_text(README), "More")


def _commands() -> list[str]:
    return sorted(set(re.findall(r"(?:^\$ |`)\./oxobench([^`\n]*)", _text(README), re.MULTILINE)) - {""})


@pytest.mark.parametrize("command", _commands())
def test_every_command_in_the_readme_can_be_parsed(command: str) -> None:
    words = shlex.split(command)
    own = words[: words.index("--")] if "--" in words else words
    context = cli.commands[own[0]].make_context(own[0], own[1:], obj=[])
    paths = [path for path in context.params.get("paths", ()) if path.startswith("features")]
    assert all((ROOT / path).exists() for path in paths)


def test_every_command_is_in_the_readme() -> None:
    shown = {shlex.split(command)[0] for command in _commands()}
    assert shown == set(cli.commands)


def test_every_feature_is_listed_in_the_readme() -> None:
    listed = set(re.findall(r"\(features/([\w.-]+)\)", _text(README)))
    assert listed == {path.name for path in (ROOT / "features").glob("*.feature")}


def test_every_firewall_policy_is_listed_in_the_readme() -> None:
    assert sorted(_first_column(_section(_text(README), "Firewall policies"))) == policy_names()


def test_every_mode_of_the_proxy_is_listed_in_the_readme() -> None:
    listed = _first_column(_section(_text(README), "Web proxy modes"))
    assert {phrase for phrase in listed if phrase.startswith("is ")} == {f"is {mode}" for mode in MODES}


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Parameters of the agent", AgentParameters),
        ("Parameters of the connection agent", ConnectionParameters),
        ("Parameters of the VPN agent", VpnRules),
        ("Parameters of the PCG", GatewayParameters),
        ("Parameters of the connection service", ServiceParameters),
    ],
)
def test_every_parameter_is_listed_with_its_default(
    title: str, kind: type[LinkParameters] | type[DoorParameters] | type[VpnRules]
) -> None:
    section = _section(_text(ROOT / "docs" / "facts.md"), title)
    listed = dict(re.findall(r"^\| `([\w.]+)` \| ([^|]+) \|", section, re.MULTILINE))
    assert listed == dict(_defaults(kind()))


def _defaults(parameters: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and defaults as the docs write them, those of parameters within parameters too."""
    for field in dataclasses.fields(parameters):
        value = getattr(parameters, field.name)
        if dataclasses.is_dataclass(value):
            yield from _defaults(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", _written(value)


def _written(value: object) -> str:
    """A default as the docs write it."""
    if isinstance(value, tuple):
        return ", ".join(_written(each) for each in value)
    if isinstance(value, enum.Enum):
        return str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_every_failure_code_is_listed() -> None:
    listed = _first_column(_section(_text(ROOT / "docs" / "protocol.md"), "Failure codes"))
    assert listed == list(FailureCode)


@pytest.mark.vpn
def test_the_vpn_scenario_of_the_readme_runs(tmp_path: Path) -> None:
    (tmp_path / "vpn.feature").write_text(_block(_section(_text(README), "Cloud Connect and its VPN"), "gherkin"))
    assert "1 passed" in _run(tmp_path, "vpn.feature")


def test_what_the_readme_shows_runs(tmp_path: Path) -> None:
    """The scenario, the tables of policies and modes, and the policy and device files, used as a reader would."""
    text = _text(README)
    (tmp_path / "own.nft").write_text(_block(text, "nft"), encoding="utf-8")
    (tmp_path / "sets.csv").write_text(_block(text, "csv"), encoding="utf-8")
    (tmp_path / "sets.toml").write_text(_block(text, "toml"), encoding="utf-8")
    policies = [f"the firewall is {name}" for name in _first_column(_section(text, "Firewall policies"))]
    modes = [f"the web proxy {phrase}" for phrase in _first_column(_section(text, "Web proxy modes"))]
    feature = [
        _block(text, "gherkin"),
        "  Scenario: Every policy and every mode",
        "    Given an OXO Connect that Rainbow knows",
        *(f"    And {step}" for step in (*policies, *modes)),
        "  Scenario Outline: Files of the reader's own (<file>)",
        '    Given an OXO Connect that Rainbow knows, with the sets of the file "<file>"',
        "    And the firewall is ./own.nft",
        "    When the WSS link is brought up",
        "    Then Rainbow has exactly the sets of the PBX",
        "    Examples:",
        "      | file |",
        "      | sets.csv |",
        "      | sets.toml |",
    ]
    (tmp_path / "reader.feature").write_text("\n".join(feature), encoding="utf-8")
    assert "4 passed" in _run(tmp_path, "reader.feature")


def _run(folder: Path, feature: str) -> str:
    """Runs a feature file of a reader, in the reader's folder; returns what was said."""
    options = ["-q", "-c", str(ROOT / "pytest.ini"), f"--rootdir={ROOT}", "--noconftest", "-p", "conftest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--artifacts={folder / 'evidence'}", feature],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
