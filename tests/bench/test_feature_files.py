"""Feature files as test modules, and what their author is told when one cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

GOOD = """
Feature: Names
  @manual-3.5.2.1
  Scenario: One name
    Given the firewall is permissive
  Scenario Outline: The policy <policy>
    Given the firewall is <policy>
    Examples:
      | policy     |
      | blocking   |
      | permissive |
"""
BROKEN = {
    "syntax.feature": (
        b"Feature: x\n  Scenario: y\n    Given z\n    Wenn something\n",
        r"syntax.feature is no Gherkin: line 4 (Wenn something): ",
    ),
    "prose.feature": (b"nothing of the kind\n", "prose.feature is no Gherkin: line 1 (nothing of the kind): "),
    "language.feature": (b"# language: xx\nFeature: x\n", "language.feature is no Gherkin: line 1"),
    "latin.feature": ("Feature: Zürich\n".encode("latin-1"), "latin.feature is not UTF-8 text."),
    "empty.feature": (b"# nothing yet\n\n", "empty.feature has no feature in it."),
    "bare.feature": (b"Feature: x\n", "bare.feature has no scenario in it."),
}


def run_pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", str(ROOT / "pytest.ini"), f"--rootdir={ROOT}"),
            *(f"--confcutdir={ROOT}", "--noconftest", "-p", "conftest", "-q", *arguments),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_scenarios_are_tests(tmp_path: Path) -> None:
    (tmp_path / "names.feature").write_text(GOOD)
    done = run_pytest(str(tmp_path / "names.feature"), "--collect-only", f"--artifacts={tmp_path / 'artifacts'}")
    assert [line.rpartition("/")[2] for line in done.stdout.splitlines() if "::" in line] == [
        "names.feature::test_one_name",
        "names.feature::test_the_policy_policy[blocking]",
        "names.feature::test_the_policy_policy[permissive]",
    ]
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "artifacts").exists()


def test_files_that_cannot_be_read_are_named_with_the_reason(tmp_path: Path) -> None:
    for name, (content, _) in BROKEN.items():
        (tmp_path / name).write_bytes(content)
    done = run_pytest(str(tmp_path), f"--artifacts={tmp_path / 'artifacts'}")
    said = done.stdout.splitlines()
    for name, (_, sentence) in BROKEN.items():
        lines = [line for line in said if line.startswith(str(tmp_path / name))]
        assert len(lines) == 1, name
        assert sentence in lines[0]
    assert "Traceback" not in done.stdout + done.stderr
    assert not [line for line in said if line.startswith(("E  ", "bench/"))]
    assert done.returncode == 2


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "features").glob("*.feature")))
def test_every_feature_of_the_bench_is_read(name: str) -> None:
    """And each of its rules names the section of the manual that it proves."""
    text = (ROOT / "features" / name).read_text()
    assert "@manual-" in text
