"""Files that a user writes: lists of sets, and the families."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.oxo.catalogue import Catalogue
from emulators.oxo.datafile import SIZE_LIMIT, FileRefused
from emulators.oxo.families import Families
from emulators.oxo.phoneset import PhoneSet, Rank

SETS = [
    PhoneSet("100-primary", "100", "Zoë", "O'Brien, Jr", "8068s"),
    PhoneSet("100-secondary1", "100", "Zoë", "O'Brien, Jr", "DECT 8262", Rank.SECONDARY_1),
    PhoneSet("lobby", "101", "", "Lobby", "8018"),
]
HEAD = "number,first_name,last_name,family"
CSV = f"""{HEAD},rank,id
100,Zoë,"O'Brien, Jr",DECT 8262,secondary1,

101,,Lobby,8018,primary,lobby
100,Zoë,"O'Brien, Jr",8068s,,
"""
TOML = """
[[set]]
number = "100"
first_name = "Zoë"
last_name = "O'Brien, Jr"
family = "DECT 8262"
rank = "secondary1"

[[set]]
number = "100"
first_name = "Zoë"
last_name = "O'Brien, Jr"
family = "8068s"

[[set]]
number = "101"
first_name = ""
last_name = "Lobby"
family = "8018"
id = "lobby"
"""
GOOD = 'number = "100"\nfirst_name = ""\nlast_name = ""\nfamily = "8018"\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [("sets.csv", CSV), ("SETS.CSV", CSV.replace("\n", "\r\n")), ("bom.csv", "\ufeff" + CSV), ("sets.toml", TOML)],
)
def test_sets_are_read_from_a_file(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert Catalogue.read(tmp_path / name).sets == SETS


def test_a_file_may_list_no_sets(tmp_path: Path) -> None:
    (tmp_path / "sets.csv").write_text(HEAD)
    (tmp_path / "sets.toml").write_text("")
    assert Catalogue.read(tmp_path / "sets.csv").sets == Catalogue.read(tmp_path / "sets.toml").sets == []


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.txt", b"", "a.txt: must be a .csv or .toml file"),
        ("a.csv", b"", "a.csv: must begin with a line that names its fields: number,"),
        ("a.csv", b"\xff", "a.csv, line 1: is not UTF-8 text"),
        ("a.csv", b"x" * (SIZE_LIMIT + 1), f"a.csv: is larger than {SIZE_LIMIT} bytes"),
        ("a.csv", f"{HEAD}\n100,a".encode(), "a.csv, line 2: has 2 values for 4 fields"),
        ("a.csv", b"number,number\n", "a.csv, line 1: a field is named twice"),
        ("a.csv", b"number,colour\n100,red", "a.csv, line 2: there is no field 'colour'"),
        ("a.csv", b"number\n100", "a.csv, line 2: the field 'first_name' is missing"),
        (
            "a.csv",
            f"{HEAD}\n101,,,8018\n500,,,8018".encode(),
            "a.csv, line 3, field number: 500 is kept for hunt groups",
        ),
        ("a.csv", f"{HEAD}\n100,,,8018\n100,,,8018".encode(), "a.csv, line 3, field id: 100-primary is taken"),
        ("a.csv", f"{HEAD},id\n100,,,8018,a\n100,,,8018,b".encode(), "line 3, field number: 100 already has a primary"),
        ("a.csv", f"{HEAD},rank\n100,,,8018,secondary1".encode(), "line 2, field rank: 100 has no primary set"),
        ("a.csv", f"{HEAD},rank\n100,,,8018,third".encode(), "line 2, field rank: must be one of primary, "),
        ("a.csv", f"{HEAD}\n100,,,9999".encode(), "a.csv, line 2, field family: there is no family '9999'"),
        ("a.csv", f'{HEAD}\n100,"a"b,,8018'.encode(), "a.csv, line 2: is not CSV: "),
        ("a.csv", f'{HEAD}\n100,"a'.encode(), "a.csv, line 2: is not CSV: unexpected end of data"),
        ("a.csv", f"{HEAD}\n100,{'a' * 200_000},,8018".encode(), "a.csv, line 2: is not CSV: field larger"),
        ("a.toml", b"[[set]\n", "a.toml: is not TOML: .*line 1"),
        ("a.toml", b"a = " + b"[" * 50_000, "a.toml: is nested too deeply"),
        ("a.toml", b"sets = 1\n", r"a.toml: must hold tables \[\[set\]\] and nothing else"),
        ("a.toml", b"set = 1\n", "a.toml: must hold tables"),
        ("a.toml", b"\n\n[[set]]\n", r"a.toml, \[\[set\]\] at line 3: the field 'number' is missing"),
        ("a.toml", b"set = [{number = '1'}]", "a.toml, set 1: the field 'first_name' is missing"),
        ("a.toml", f"[[set]]\n{GOOD}rank = 2".encode(), r"\[\[set\]\] at line 1, field rank: must be one of"),
        ("a.toml", f"[[set]]\n{GOOD}id = 2".encode(), r"\[\[set\]\] at line 1, field id: must be text"),
        ("a.toml", GOOD.replace('"100"', "100").join(["[[set]]\n", ""]).encode(), "line 1, field number: must be text"),
    ],
)
def test_a_broken_file_gives_one_sentence(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileRefused, match=why) as refused:
        Catalogue.read(tmp_path / name)
    assert refused.value.path == tmp_path / name
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"none\.csv: cannot be read \(No such file or directory\)"):
        Catalogue.read(tmp_path / "none.csv")


def test_too_many_users_are_refused_at_their_line(tmp_path: Path) -> None:
    rows = [f"{number},,,8018" for number in range(1000, 1301)]
    (tmp_path / "sets.csv").write_text("\n".join([HEAD, *rows]))
    with pytest.raises(FileRefused, match="line 302, field number: 1300 would be one user more"):
        Catalogue.read(tmp_path / "sets.csv")


@settings(max_examples=150, database=None, deadline=None)
@given(
    st.sampled_from(["a.csv", "a.toml"]),
    st.binary(max_size=300) | st.text('[]set\n="#,{}\\100x', max_size=200).map(str.encode),
)
def test_arbitrary_content_is_read_or_refused(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        for data in (content, f"{HEAD}\n".encode() + content):
            path.write_bytes(data)
            sentence = f"{path}"
            try:
                Catalogue.read(path)
            except FileRefused as refused:
                sentence = str(refused)
            assert sentence.startswith(str(path))


def test_the_families_of_the_bench_are_all_supported() -> None:
    families = Families.read()
    assert "8068s" in families.supported
    assert families.supported == list(families.rainbow)


def test_a_user_can_write_another_list_of_families(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[rainbow]\n"8018" = true\n"Fax" = false\n')
    families = Families.read(tmp_path / "mine.toml")
    assert families.supported == ["8018"]
    assert "Fax" in families.rainbow


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", r"must hold the table \[rainbow\]"),
        ("[rainbow]\n", "at least one family"),
        ("rainbow = 1\n", "must hold the table"),
        ("[rainbow]\na = true\n[other]\n", "nothing else"),
        ("[rainbow]\na = 1\n", "family 'a': must be true or false"),
        ('[rainbow]\n"" = true\n', "family '': its name must be 1 to 32"),
        (f'[rainbow]\n"{"x" * 33}" = true\n', "its name must be 1 to 32"),
        ('[rainbow]\n"a\\n" = true\n', "its name must be"),
    ],
)
def test_a_broken_list_of_families_gives_one_sentence(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "mine.toml").write_text(content)
    with pytest.raises(FileRefused, match=why) as refused:
        Families.read(tmp_path / "mine.toml")
    assert "mine.toml" in str(refused.value)
    assert "\n" not in str(refused.value)
