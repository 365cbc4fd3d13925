"""The PBX's storage: whole documents or none, wherever the power goes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.oxo.flash import SIZE_LIMIT, Flash, FlashDamaged, FlashFailed, Power, PowerCut

OLD = {"state": "old", "name": "Žižka"}
NEW = {"state": "new", "list": [1, 2, 3], "text": "x" * 50}


def cut_everywhere(flash: Flash, power: Power) -> list[str]:
    """Writes NEW over OLD once for each point at which the power can go; returns what was there afterwards."""
    flash.write("new", NEW)
    size = flash.path("new").stat().st_size
    states = []
    for count in range(size + 4):
        flash.write("doc", OLD)
        power.cut_after(count)
        with pytest.raises(PowerCut):
            flash.write("doc", NEW)
        unfinished = flash.folder / "doc.flash.new"
        if count <= size:
            assert unfinished.stat().st_size == count
        document = Flash(flash.folder).read("doc")
        assert document in (OLD, NEW)
        states.append(document["state"])
        assert not unfinished.exists()
    return states


def test_what_is_written_is_read(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "a" / "b")
    assert flash.read("doc") is None
    flash.write("doc", OLD)
    assert flash.read("doc") == OLD
    flash.write("doc", NEW)
    assert Flash(tmp_path / "a" / "b").read("doc") == NEW


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "flash")
    flash.write("doc", OLD)
    assert flash.folder.stat().st_mode & 0o777 == 0o700
    assert flash.path("doc").stat().st_mode & 0o777 == 0o600


def test_a_cut_at_any_point_leaves_the_old_document_or_the_new_one(tmp_path: Path) -> None:
    power = Power()
    flash = Flash(tmp_path, power)
    states = cut_everywhere(flash, power)
    size = flash.path("new").stat().st_size
    assert states == ["old"] * (size + 1) + ["new"] * 3


def test_a_cut_of_the_first_write_leaves_nothing_or_all(tmp_path: Path) -> None:
    power = Power()
    flash = Flash(tmp_path, power)
    power.cut_after(20)
    with pytest.raises(PowerCut):
        flash.write("doc", OLD)
    assert flash.read("doc") is None
    assert list(tmp_path.iterdir()) == []


def test_a_cut_happens_once_and_can_be_taken_back(tmp_path: Path) -> None:
    power = Power()
    flash = Flash(tmp_path, power)
    power.cut_after(0)
    with pytest.raises(PowerCut):
        flash.write("doc", OLD)
    flash.write("doc", OLD)
    power.cut_after(0)
    power.restore()
    flash.write("doc", NEW)
    assert flash.read("doc") == NEW
    with pytest.raises(ValueError, match="3 bytes before"):
        power.cut_after(-3)


@pytest.mark.parametrize("count", [0, 60, 10_000])
def test_a_killed_process_leaves_the_old_document_or_the_new_one(tmp_path: Path, count: int) -> None:
    program = f"""
import os, signal
from pathlib import Path
from emulators.oxo.flash import Flash, Power
power = Power(lambda: os.kill(os.getpid(), signal.SIGKILL))
flash = Flash(Path({str(tmp_path)!r}), power)
flash.write("doc", {OLD!r})
power.cut_after({count})
flash.write("doc", {NEW!r})
print("still alive")
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, timeout=30
    )
    assert done.returncode == -signal.SIGKILL
    assert Flash(tmp_path).read("doc") == (NEW if count == 10_000 else OLD)


def test_any_damage_is_noticed_and_said_in_one_sentence(tmp_path: Path) -> None:
    flash = Flash(tmp_path)
    flash.write("doc", OLD)
    path = flash.path("doc")
    good = path.read_bytes()
    for index in range(len(good)):
        path.write_bytes(good[:index] + bytes([good[index] ^ 1]) + good[index + 1 :])
        with pytest.raises(FlashDamaged, match=r"doc\.flash is damaged: .*; restore the file, or remove it"):
            flash.read("doc")
        path.write_bytes(good[:index])
        with pytest.raises(FlashDamaged):
            flash.read("doc")
    path.write_bytes(good + b"more")
    with pytest.raises(FlashDamaged, match="checksum"):
        flash.read("doc")
    path.write_bytes(good)
    assert flash.read("doc") == OLD


@settings(max_examples=100, database=None, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        flash = Flash(Path(folder))
        flash.path("doc").write_bytes(content)
        with pytest.raises(FlashDamaged):
            flash.read("doc")


@pytest.mark.parametrize("body", [b"[1]", b"[" * 100_000, b"{", b'"\xff"'])
def test_a_checksum_alone_makes_no_document(tmp_path: Path, body: bytes) -> None:
    flash = Flash(tmp_path)
    flash.path("doc").write_bytes(b"oxo-flash-1 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body + b"\n")
    with pytest.raises(FlashDamaged, match="JSON"):
        flash.read("doc")


def test_the_size_is_bounded(tmp_path: Path) -> None:
    flash = Flash(tmp_path)
    flash.write("doc", OLD)
    with pytest.raises(ValueError, match=f"the flash takes {SIZE_LIMIT}"):
        flash.write("doc", {"text": "x" * SIZE_LIMIT})
    assert flash.read("doc") == OLD
    with flash.path("doc").open("r+b") as file:
        file.truncate(SIZE_LIMIT + 1)
    with pytest.raises(FlashDamaged, match="more than"):
        flash.read("doc")


def test_what_the_machine_refuses_is_said_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FlashFailed, match="file could not be made: "):
        Flash(tmp_path / "file")
    flash = Flash(tmp_path / "flash")
    flash.path("doc").mkdir()
    with pytest.raises(FlashFailed, match=r"doc\.flash could not be read: Is a directory"):
        flash.read("doc")
    with pytest.raises(FlashFailed, match=r"doc\.flash could not be written: "):
        flash.write("doc", OLD)


def test_a_failed_write_leaves_the_old_document(tmp_path: Path) -> None:
    flash = Flash(tmp_path)
    flash.write("doc", OLD)
    (tmp_path / "doc.flash.new").symlink_to("/dev/full")
    with pytest.raises(FlashFailed):
        flash.write("doc", NEW)
    assert flash.read("doc") == OLD


@pytest.mark.parametrize("name", ["", "../doc", "Doc", "a/b", "a" * 64, "a.b"])
def test_a_document_has_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a document"):
        Flash(tmp_path).read(name)
