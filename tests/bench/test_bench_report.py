"""What a run tells its reader when scenarios fail, and whose fault it says it was."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]

BENCH_FAILS = """
  Scenario: The bench fails
    Given the firewall is nonsense
"""
DEVICE_FAILS = """
  @manual-3.5.2.1 @manual-3.5 @manual-page-42
  Scenario: The device fails
    Given an OXO Connect that Rainbow knows
    Then every attempt of the PBX goes to port 443
"""
ALL_IS_WELL = """
  Scenario: All is well
    Given the firewall is permissive
"""


def run_feature(folder: Path, *scenarios: str) -> subprocess.CompletedProcess[str]:
    (folder / "judged.feature").write_text("Feature: Judged\n" + "".join(scenarios))
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", str(ROOT / "pytest.ini"), f"--rootdir={ROOT}"),
            *(f"--confcutdir={ROOT}", "--noconftest", "-p", "conftest", "-q", str(folder / "judged.feature")),
            *(f"--artifacts={folder / 'run'}", f"--junit-xml={folder / 'junit.xml'}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def properties(folder: Path) -> dict[str, dict[str, str]]:
    """By test: its properties in the JUnit file."""
    return {
        case.get("name", ""): {one.get("name", ""): one.get("value", "") for one in case.iter("property")}
        for case in ElementTree.parse(folder / "junit.xml").iter("testcase")
    }


def test_faults_of_the_device_and_of_the_bench_are_told_apart(tmp_path: Path) -> None:
    done = run_feature(tmp_path, ALL_IS_WELL, DEVICE_FAILS, BENCH_FAILS)
    assert done.returncode == 1
    row = next(line for line in done.stdout.splitlines() if line.startswith("│ judged"))
    assert [cell.strip() for cell in row.strip("│").split("│")][:4] == ["judged", "1", "1", "1"]
    assert "Awaited: attempts to port 443. Instead: attempts to []. Evidence: " in done.stdout
    assert "There is no firewall policy 'nonsense': choose one of" in done.stdout
    assert "Then every attempt of the PBX goes to port 443" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    told = properties(tmp_path)
    assert told["test_the_device_fails"]["verdict"] == "device"
    assert told["test_the_device_fails"]["manual section"] == "3.5, 3.5.2.1, page-42"
    assert told["test_the_device_fails"]["failed step"] == "Then every attempt of the PBX goes to port 443"
    assert told["test_the_bench_fails"]["verdict"] == "bench"
    assert "verdict" not in told["test_all_is_well"]


def test_a_run_that_only_the_bench_failed_ends_otherwise(tmp_path: Path) -> None:
    assert run_feature(tmp_path, BENCH_FAILS, ALL_IS_WELL).returncode == 2


def test_the_evidence_of_a_run_is_for_its_owner_only(tmp_path: Path) -> None:
    done = run_feature(tmp_path, ALL_IS_WELL)
    assert done.returncode == 0
    run = tmp_path / "run"
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    (scenario,) = run.iterdir()
    assert stat.S_IMODE(scenario.stat().st_mode) == 0o700
    assert {"site.pcapng", "firewall.log", "proxy.log"} <= {file.name for file in scenario.iterdir()}
