"""Steps about the PBX's sets and the devices that Rainbow has."""

from __future__ import annotations

from dataclasses import replace

from pytest_bdd import given, parsers, then, when

from bench.bench import Bench
from emulators.oxo.phoneset import PhoneSet, Rank
from emulators.pbxagent.devices import Device
from steps.rainbow import told
from steps.story import Story

Identity = tuple[str, str, str, str, str, int]
"""What makes a device the same: id, number, first name, last name, family, rank."""


def of_set(one: PhoneSet) -> Identity:
    """A set as it was entered at the PBX."""
    return one.id, one.number, one.first_name, one.last_name, one.family, list(Rank).index(one.rank)


def of_device(one: Device) -> Identity:
    """A device as Rainbow has it."""
    return one.id, one.short_number, one.first_name, one.last_name, one.type, one.rank


def entered(bench: Bench) -> list[Identity]:
    """The sets as the installer entered them."""
    return sorted(map(of_set, bench.oxo.sets()))


def retrieved(bench: Bench, story: Story) -> list[Identity]:
    """The devices as Rainbow has them."""
    return sorted(map(of_device, bench.rainbow.pbx(story.pbx_id).devices))


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


@then(parsers.parse("{number:d} secondary sets have the number of their primary set"))
def secondaries_share(bench: Bench, story: Story, number: int) -> None:
    """Each secondary's number is that of a primary, and there are that many secondaries."""
    devices = bench.rainbow.pbx(story.pbx_id).devices
    primaries = {device.short_number for device in devices if device.rank == 0}
    secondaries = [device.short_number for device in devices if device.rank > 0]
    bench.expect(
        lambda: len(secondaries) == number and set(secondaries) <= primaries,
        f"{number} secondary sets with a primary's number",
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
    change(bench, story, how, 0)
    bench.time.rest()


@when(parsers.parse("{added:d} sets are added, {renamed:d} renamed and {removed:d} removed"))
def change_many(bench: Bench, story: Story, added: int, renamed: int, removed: int) -> None:
    """Many changes without a pause."""
    for number in range(removed):
        change(bench, story, "removed", number)
    for number in range(renamed):
        change(bench, story, "renamed", number)
    for number in range(added):
        change(bench, story, "added", number)
    bench.time.rest()


def change(bench: Bench, story: Story, how: str, number: int) -> None:
    """Makes one change and keeps it in mind; `number` keeps several of a kind apart."""
    sets = bench.oxo.sets()
    if how == "added":
        new = PhoneSet(f"new-{number}", str(700 + number), "New", f"Colleague {number}", sets[0].family)
        bench.oxo.add_set(new)
        story.changed_sets[new.id] = new
    elif how == "renamed":
        renamed = replace(sets[number], first_name="Renamed", last_name=f"Person {number}")
        bench.oxo.rename_set(renamed.id, renamed.first_name, renamed.last_name)
        story.changed_sets[renamed.id] = renamed
    else:
        bench.oxo.remove_set(sets[-1].id)
        story.changed_sets[sets[-1].id] = None


@then(parsers.re("Rainbow knows of the set that was (added|renamed|removed)"))
@then("Rainbow knows of all these changes")
def rainbow_knows(bench: Bench, story: Story) -> None:
    """Each set that was changed is there as it is now, or is not there any more, whatever the PBX says it has."""
    if not story.changed_sets:
        raise LookupError("no set has been changed: the scenario needs a step that does")
    wanted = {id: None if one is None else of_set(one) for id, one in story.changed_sets.items()}
    devices = {device.id: of_device(device) for device in bench.rainbow.pbx(story.pbx_id).devices}
    there = {id: devices.get(id) for id in wanted}
    bench.expect(lambda: there == wanted, f"{wanted}", lambda: f"Rainbow has {there}")


@given("another PBX that Rainbow knows")
def another_pbx(bench: Bench, story: Story) -> None:
    """A second PBX in Rainbow's books, which has never connected."""
    story.other_pbx_id = bench.rainbow.create().pbx_id


@then("what Rainbow has under the former PBX ID is what it was")
def former_is_kept(bench: Bench, story: Story) -> None:
    """Nothing was told in the name of the PBX that the OXO Connect was before."""
    there = bench.rainbow.pbx(story.other_pbx_id).devices
    bench.expect(
        lambda: there == story.kept,
        f"the {len(story.kept)} sets from before",
        lambda: f"{len(there)} sets, of which from before: {sum(one in story.kept for one in there)}",
    )
