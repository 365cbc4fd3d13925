"""Steps about the PBX's sets and the devices that Rainbow has."""

from __future__ import annotations

from dataclasses import replace

from pytest_bdd import given, parsers, then, when

from bench.bench import Bench
from emulators.oxo.phoneset import PhoneSet, Rank
from steps.rainbow import told
from steps.story import Story

Identity = tuple[str, str, str, str, str, int]
"""What makes a device the same: id, number, first name, last name, family, rank."""


def entered(bench: Bench) -> list[Identity]:
    """The sets as the installer entered them."""
    rank = list(Rank).index
    return sorted(
        (one.id, one.number, one.first_name, one.last_name, one.family, rank(one.rank)) for one in bench.oxo.sets()
    )


def retrieved(bench: Bench, story: Story) -> list[Identity]:
    """The devices as Rainbow has them."""
    return sorted(
        (one.id, one.short_number, one.first_name, one.last_name, one.type, one.rank)
        for one in bench.rainbow.pbx(story.pbx_id).devices
    )


@then("Rainbow has exactly the sets of the PBX")
def exactly_the_sets(bench: Bench, story: Story) -> None:
    """Every set once, with its number, name, family and rank, and nothing else."""

    def difference() -> str:
        wanted, there = entered(bench), retrieved(bench, story)
        missing = [one for one in wanted if one not in there]
        strange = [one for one in there if one not in wanted]
        twice = len(there) - len(set(there))
        return f"{len(missing)} missing ({missing[:2]}), {len(strange)} strange ({strange[:2]}), {twice} twice"

    bench.expect(lambda: entered(bench) == retrieved(bench, story), "exactly the sets of the PBX", difference)


@then(parsers.parse("Rainbow has {number:d} sets"))
def number_of_sets(bench: Bench, story: Story, number: int) -> None:
    """As many sets as were entered, whatever the PBX says it has."""
    there = len(retrieved(bench, story))
    bench.expect(lambda: there == number, f"{number} sets", lambda: f"Rainbow has {there}")


@then("Rainbow has exactly the sets of the list")
def exactly_the_list(bench: Bench, story: Story) -> None:
    """Each set as the list has it, whatever the PBX says it has."""
    rank = [one.value for one in Rank]
    there = [
        (number, first, last, family, rank[place]) for _, number, first, last, family, place in retrieved(bench, story)
    ]
    bench.expect(lambda: sorted(there) == sorted(story.listed), f"{story.listed}", lambda: f"Rainbow has {there}")


@then("secondary sets have the number of their primary set")
def secondaries_share(bench: Bench, story: Story) -> None:
    """Each secondary's number is that of a primary, and there are secondaries."""
    devices = bench.rainbow.pbx(story.pbx_id).devices
    primaries = {device.short_number for device in devices if device.rank == 0}
    secondaries = [device.short_number for device in devices if device.rank > 0]
    bench.expect(
        lambda: bool(secondaries) and set(secondaries) <= primaries,
        "secondary sets with a primary's number",
        lambda: f"{len(secondaries)} secondary sets, of which without a primary: {set(secondaries) - primaries}",
    )


@given(parsers.parse("Rainbow asks for {size:d} sets at a time"))
def page_size(bench: Bench, size: int) -> None:
    """The PCG's page size."""
    bench.rainbow.set_page_size(size)


@then(parsers.parse("Rainbow asked for at least {pages:d} pages"))
def pages_asked(bench: Bench, story: Story, pages: int) -> None:
    """The retrieval took that many requests."""
    asked = bench.rainbow.pbx(story.pbx_id).pages
    bench.expect(lambda: asked >= pages, f"at least {pages} pages", lambda: f"{asked} pages")


@when("Rainbow asks for the devices again")
def retrieve_again(bench: Bench, story: Story) -> None:
    """A retrieval on demand, which is seen to have happened."""
    before = bench.rainbow.pbx(story.pbx_id).retrievals
    bench.rainbow.retrieve(story.pbx_id)
    bench.expect(
        lambda: bench.rainbow.pbx(story.pbx_id).retrievals == before + 1,
        "one more retrieval",
        lambda: told(bench, story),
    )


@given(parsers.re("a set was (?P<how>added|renamed|removed)"))
@when(parsers.re("a set is (?P<how>added|renamed|removed)"))
def change_a_set(bench: Bench, story: Story, how: str) -> None:
    """One set of the PBX is another afterwards."""
    story.changed_set = change(bench, how, 0)
    bench.time.rest()


@when(parsers.parse("{added:d} sets are added, {renamed:d} renamed and {removed:d} removed"))
def change_many(bench: Bench, added: int, renamed: int, removed: int) -> None:
    """Many changes without a pause."""
    for number in range(removed):
        change(bench, "removed", number)
    for number in range(renamed):
        change(bench, "renamed", number)
    for number in range(added):
        change(bench, "added", number)
    bench.time.rest()


def change(bench: Bench, how: str, number: int) -> PhoneSet:
    """Makes one change; `number` keeps several of a kind apart."""
    sets = bench.oxo.sets()
    if how == "added":
        new = PhoneSet(f"new-{number}", str(700 + number), "New", f"Colleague {number}", sets[0].family)
        bench.oxo.add_set(new)
        return new
    one = sets[number] if how == "renamed" else sets[-1]
    if how == "removed":
        bench.oxo.remove_set(one.id)
        return one
    bench.oxo.rename_set(one.id, "Renamed", f"Person {number}")
    return replace(one, first_name="Renamed", last_name=f"Person {number}")


@then(parsers.re("Rainbow knows of the set that was (?P<how>added|renamed|removed)"))
def rainbow_knows(bench: Bench, story: Story, how: str) -> None:
    """The set is there under its name now, or is not there any more."""
    changed = story.changed_set
    assert changed is not None
    names = {device.id: (device.first_name, device.last_name) for device in bench.rainbow.pbx(story.pbx_id).devices}
    wanted = None if how == "removed" else (changed.first_name, changed.last_name)
    bench.expect(
        lambda: names.get(changed.id) == wanted,
        f"the set {changed.id} {how}",
        lambda: f"Rainbow has it as {names.get(changed.id)}",
    )


@given("another PBX that Rainbow knows")
def another_pbx(bench: Bench, story: Story) -> None:
    """A second PBX in Rainbow's books; its own sets were never retrieved."""
    story.other_pbx_id = bench.rainbow.create().pbx_id


@then("Rainbow has no set of the other PBX")
def other_pbx_empty(bench: Bench, story: Story) -> None:
    """Nothing of the one PBX's sets is under the other's name."""
    other = bench.rainbow.pbx(story.other_pbx_id)
    bench.expect(
        lambda: not other.devices,
        "no set under the other PBX",
        lambda: f"{len(other.devices)} sets under it",
    )
