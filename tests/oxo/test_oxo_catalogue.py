"""The catalogue of sets: its rules, its generation, its files, and how it survives."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from emulators.oxo.catalogue import Catalogue, Change, ChangeKind
from emulators.oxo.families import Families
from emulators.oxo.fields import FieldRefused
from emulators.oxo.flash import Flash, FlashDamaged, Power, PowerCut
from emulators.oxo.phoneset import PhoneSet, Rank

FAMILIES = Families({"8068s": True, "DECT 8262": True, "Analogue (SLI)": False})


def desk(number: str, rank: Rank = Rank.PRIMARY, family: str = "8068s") -> PhoneSet:
    return PhoneSet(f"{number}-{rank}", number, "Zoë", "O'Brien", family, rank)


@pytest.mark.parametrize(("users", "secondaries"), [(0, 0), (1, 2), (100, 0), (300, 0), (300, 137), (300, 600)])
def test_a_generated_catalogue_has_what_was_asked_for(users: int, secondaries: int) -> None:
    catalogue = Catalogue.generate(users, secondaries, seed=7)
    sets = catalogue.sets
    primaries = [phone_set for phone_set in sets if phone_set.rank is Rank.PRIMARY]
    assert [int(primary.number) for primary in primaries] == list(range(100, 100 + users))
    assert len(sets) == len({phone_set.id for phone_set in sets}) == users + secondaries
    assert len({(primary.first_name, primary.last_name) for primary in primaries}) == users
    assert catalogue.devices == sets
    assert catalogue.revision == 0


def test_the_seed_decides() -> None:
    sets = Catalogue.generate(40, 20, seed=3).sets
    assert Catalogue.generate(40, 20, seed=3).sets == sets
    assert Catalogue.generate(40, 20, seed=4).sets != sets


@pytest.mark.parametrize(
    ("users", "secondaries", "why"),
    [(301, 0, "0 to 300 users, not 301"), (-1, 0, "not -1"), (2, 5, "0 to 4 secondary sets, not 5"), (0, 1, "not 1")],
)
def test_what_the_pbx_cannot_hold_is_not_generated(users: int, secondaries: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Catalogue.generate(users, secondaries)


def test_only_supported_families_are_generated_and_told_to_rainbow() -> None:
    assert {phone_set.family for phone_set in Catalogue.generate(100, 9, 1, FAMILIES).sets} == {"8068s", "DECT 8262"}
    with pytest.raises(ValueError, match="no family"):
        Catalogue.generate(1, families=Families({"8001": False}))
    catalogue = Catalogue([desk("100"), desk("101", family="Analogue (SLI)")], FAMILIES)
    assert catalogue.devices == [desk("100")]
    assert not catalogue.supports(desk("101", family="Analogue (SLI)"))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": "x" * 33}, "id"),
        ({"number": "0"}, "number"),
        ({"number": "9"}, "number"),
        ({"number": "012"}, "number"),
        ({"number": "500"}, "number"),
        ({"number": "525"}, "number"),
        ({"number": "1" * 9}, "number"),
        ({"number": "10a"}, "number"),
        ({"number": "\N{ARABIC-INDIC DIGIT ONE}00"}, "number"),
        ({"number": 100}, "number"),
        ({"first_name": "a\x00"}, "first_name"),
        ({"last_name": "x" * 33}, "last_name"),
        ({"last_name": None}, "last_name"),
        ({"family": "8068s\n"}, "family"),
        ({"rank": "tertiary"}, "rank"),
        ({"rank": []}, "rank"),
    ],
)
def test_a_set_has_good_values(values: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldRefused) as refused:
        replace(desk("100"), **values)
    assert refused.value.field == field


def test_the_numbers_around_the_hunt_groups_are_free() -> None:
    for number in ("499", "526", "5000", "52"):
        assert desk(number).number == number


def test_a_change_is_told_with_its_revision() -> None:
    catalogue = Catalogue([desk("101")], FAMILIES)
    heard: list[Change] = []
    unsubscribe = catalogue.subscribe(heard.append)
    catalogue.add(desk("100"))
    catalogue.add(desk("100", Rank.SECONDARY_2))
    catalogue.rename("100-primary", "Ana", "Peña")
    catalogue.remove("100-secondary2")
    unsubscribe()
    catalogue.remove("101-primary")
    renamed = replace(desk("100"), first_name="Ana", last_name="Peña")
    assert heard == [
        Change(ChangeKind.ADDED, desk("100"), 1),
        Change(ChangeKind.ADDED, desk("100", Rank.SECONDARY_2), 2),
        Change(ChangeKind.RENAMED, renamed, 3),
        Change(ChangeKind.REMOVED, desk("100", Rank.SECONDARY_2), 4),
    ]
    assert catalogue.sets == [renamed]
    assert catalogue.revision == 5


def test_a_broken_rule_is_refused_and_changes_nothing() -> None:
    sets = [desk("100"), desk("100", Rank.SECONDARY_1), desk("101")]
    catalogue = Catalogue(sets, FAMILIES)
    heard: list[Change] = []
    catalogue.subscribe(heard.append)
    refusals: list[tuple[Callable[[], None], str]] = [
        (lambda: catalogue.add(replace(desk("102"), id="101-primary")), "id: 101-primary is taken"),
        (lambda: catalogue.add(replace(desk("100"), id="x")), "number: 100 already has a primary set"),
        (lambda: catalogue.add(desk("102", Rank.SECONDARY_1)), "rank: 102 has no primary set"),
        (lambda: catalogue.add(desk("102", family="8001")), "family: there is no family '8001'"),
        (lambda: catalogue.remove("100-primary"), "id: 100-primary still has the secondaries 100-secondary1"),
        (lambda: catalogue.remove("x"), "id: there is no set 'x'"),
        (lambda: catalogue.rename("x", "a", "b"), "id: there is no set 'x'"),
        (lambda: catalogue.rename("100-primary", "a\n", "b"), "first_name: must have printable"),
    ]
    for act, why in refusals:
        with pytest.raises(FieldRefused, match=why):
            act()
    assert catalogue.sets == sets
    assert catalogue.revision == 0
    assert heard == []


def test_there_are_at_most_300_users() -> None:
    catalogue = Catalogue.generate(300)
    with pytest.raises(FieldRefused, match="number: 400 would be one user more than the 300"):
        catalogue.add(desk("400"))
    catalogue.add(desk("399", Rank.SECONDARY_1))
    catalogue.remove("100-primary")
    catalogue.add(desk("400"))


def test_a_saved_catalogue_keeps_itself(tmp_path: Path) -> None:
    flash = Flash(tmp_path)
    assert Catalogue.load(flash) is None
    catalogue = Catalogue.generate(3, 2, seed=1)
    catalogue.save(flash)
    catalogue.add(desk("200"))
    loaded = Catalogue.load(flash)
    assert loaded is not None
    assert (loaded.sets, loaded.revision) == (catalogue.sets, 1)
    loaded.remove("200-primary")
    again = Catalogue.load(flash)
    assert again is not None
    assert (again.sets, again.revision) == (loaded.sets, 2)


def test_the_largest_catalogue_fits_the_flash(tmp_path: Path) -> None:
    flash = Flash(tmp_path)
    names = ("ễ" * 32, "ż" * 32)
    sets = [PhoneSet(f"{n}-{rank}", str(n), *names, "8068s", rank) for n in range(1000, 1300) for rank in Rank]
    Catalogue(sets, FAMILIES).save(flash)
    loaded = Catalogue.load(flash, FAMILIES)
    assert loaded is not None
    assert loaded.sets == sets


def test_a_change_that_is_not_stored_is_not_told(tmp_path: Path) -> None:
    power = Power()
    flash = Flash(tmp_path, power)
    catalogue = Catalogue([desk("100")], FAMILIES)
    catalogue.save(flash)
    heard: list[Change] = []
    catalogue.subscribe(heard.append)
    power.cut_after(100)
    with pytest.raises(PowerCut):
        catalogue.add(desk("101"))
    assert heard == []
    assert catalogue.sets == [desk("100")]
    loaded = Catalogue.load(flash, FAMILIES)
    assert loaded is not None
    assert (loaded.sets, loaded.revision) == ([desk("100")], 0)


def test_a_cold_reset_puts_other_sets_in_place(tmp_path: Path) -> None:
    flash = Flash(tmp_path)
    catalogue = Catalogue([desk("100")], FAMILIES, revision=5)
    catalogue.save(flash)
    heard: list[Change] = []
    catalogue.subscribe(heard.append)
    catalogue.reset([desk("201", Rank.SECONDARY_1), desk("201")])
    loaded = Catalogue.load(flash, FAMILIES)
    assert loaded is not None
    assert loaded.sets == catalogue.sets == [desk("201"), desk("201", Rank.SECONDARY_1)]
    assert loaded.revision == 6
    assert heard == []


def stored() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        flash = Flash(Path(folder))
        Catalogue([desk("100")], FAMILIES).save(flash)
        document = flash.read("catalogue")
    assert document is not None
    return document


ROW = {"id": "a", "number": "100", "first_name": "", "last_name": "", "family": "8068s", "rank": "primary"}


@pytest.mark.parametrize(
    ("spoiled", "why"),
    [
        ({"version": 2}, "does not hold a catalogue of version 1"),
        ({"revision": "5"}, "does not hold"),
        ({"colour": "red"}, "does not hold"),
        ({"sets": 5}, "does not hold"),
        ({"sets": [{"id": "a"}]}, "does not hold"),
        ({"sets": [ROW, {**ROW, "id": "b"}]}, "it has a bad set: number: 100 already has a primary set"),
        ({"sets": [{**ROW, "number": "0"}]}, "it has a bad set: number: must be"),
        ({"sets": [{**ROW, "family": "8001"}]}, "it has a bad set: family: there is no family '8001'"),
    ],
)
def test_a_document_that_is_no_catalogue_is_refused(tmp_path: Path, spoiled: dict[str, object], why: str) -> None:
    flash = Flash(tmp_path)
    flash.write("catalogue", {**stored(), **spoiled})
    with pytest.raises(FlashDamaged, match=why):
        Catalogue.load(flash, FAMILIES)


@settings(max_examples=25, database=None, deadline=None)
@given(st.data())
def test_any_size_up_to_the_limit_can_be_generated(data: st.DataObject) -> None:
    users = data.draw(st.integers(0, 300))
    secondaries = data.draw(st.integers(0, 2 * users))
    catalogue = Catalogue.generate(users, secondaries, data.draw(st.integers()), FAMILIES)
    assert len(catalogue.sets) == users + secondaries


class AnyChanges(RuleBasedStateMachine):
    """Whatever is done to a catalogue, its rules hold, it matches a plain model, and it comes back from the flash."""

    numbers = st.integers(100, 104).map(str)
    ids = Bundle("ids")

    @initialize()
    def power_up(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.power = Power()
        self.flash = Flash(Path(self.folder.name), self.power)
        self.catalogue = Catalogue([], FAMILIES)
        self.catalogue.save(self.flash)
        self.model: dict[str, PhoneSet] = {}
        self.told: dict[str, PhoneSet] = {}
        self.count = 0
        self.catalogue.subscribe(self.hear)

    def hear(self, change: Change) -> None:
        assert change.revision == self.catalogue.revision
        if change.kind is ChangeKind.REMOVED:
            del self.told[change.set.id]
        else:
            self.told[change.set.id] = change.set

    def may(self, new: PhoneSet) -> bool:
        ranks = {other.rank for other in self.model.values() if other.number == new.number}
        return new.rank not in ranks and (new.rank is Rank.PRIMARY or bool(ranks))

    @rule(target=ids, number=numbers, rank=st.sampled_from(Rank), cut=st.none() | st.integers(0, 2000))
    def add(self, number: str, rank: Rank, cut: int | None) -> str:
        self.count += 1
        new = replace(desk(number, rank), id=f"set{self.count}")
        if not self.may(new):
            with pytest.raises(FieldRefused):
                self.catalogue.add(new)
        elif cut is None:
            self.catalogue.add(new)
            self.model[new.id] = new
        else:
            self.power.cut_after(cut)
            with pytest.raises(PowerCut):
                self.catalogue.add(new)
            self.restart()
            if any(phone_set.id == new.id for phone_set in self.catalogue.sets):
                self.model[new.id] = self.told[new.id] = new
        return new.id

    @rule(id=consumes(ids))
    def remove(self, id: str) -> None:
        old = self.model.get(id)
        if old is None or (
            old.rank is Rank.PRIMARY and any(o.number == old.number and o.id != id for o in self.model.values())
        ):
            with pytest.raises(FieldRefused):
                self.catalogue.remove(id)
        else:
            self.catalogue.remove(id)
            del self.model[id]

    @rule(id=ids, name=st.text(max_size=40))
    def rename(self, id: str, name: str) -> None:
        if id not in self.model or len(name) > 32 or not name.isprintable():
            with pytest.raises(FieldRefused):
                self.catalogue.rename(id, name, name)
        else:
            self.catalogue.rename(id, name, name)
            self.model[id] = replace(self.model[id], first_name=name, last_name=name)

    @rule()
    def restart(self) -> None:
        loaded = Catalogue.load(self.flash, FAMILIES)
        assert loaded is not None
        assert loaded.revision >= self.catalogue.revision
        self.catalogue = loaded
        self.catalogue.subscribe(self.hear)

    @invariant()
    def everybody_knows_the_same_sets(self) -> None:
        assert {phone_set.id: phone_set for phone_set in self.catalogue.sets} == self.model == self.told
        keys = [(phone_set.number, phone_set.rank) for phone_set in self.catalogue.sets]
        assert len(set(keys)) == len(keys)
        assert all((number, Rank.PRIMARY) in keys for number, _ in keys)
        assert keys == sorted(keys, key=lambda key: (key[0], list(Rank).index(key[1])))

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestAnyChanges = AnyChanges.TestCase
TestAnyChanges.settings = settings(max_examples=30, stateful_step_count=30, database=None, deadline=None)
