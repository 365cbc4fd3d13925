"""Steps about the OXO Connect: what its installer does in OMC, and its administrator by MMC."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from bench.bench import Bench
from bench.dut import Declined
from emulators.oxo.omc import Page
from emulators.oxo.settings import DEFAULT_ADMINISTRATOR_PASSWORD
from emulators.rainbow.pbx import CodeKind
from network.plan import Role
from steps.rainbow import bring_up, link_comes_up
from steps.story import Story

ENABLED = "Rainbow enabled"
MMC_TOGGLE = ("System", "Rainbow", "Choice")

FIELD_PAGES = {
    "Domain": Page.RAINBOW,
    "PBX ID": Page.RAINBOW,
    "Activation code": Page.RAINBOW,
    "Port": Page.WEB_PROXY,
    "Host name or address": Page.WEB_PROXY,
    "Primary": Page.DNS,
}
"""Where OMC has a field."""


@given("Rainbow is configured in OMC but not enabled")
def configured_not_enabled(bench: Bench) -> None:
    """Every parameter is in OMC, and the box is not checked."""
    assert bench.oxo.omc_page(Page.RAINBOW)[ENABLED] is False


@given("Rainbow was enabled in OMC")
@when("Rainbow is enabled in OMC")
@when("Rainbow is enabled by OMC")
def enable_by_omc(bench: Bench, story: Story) -> None:
    """Checks the box and clicks OK."""
    story.since = bench.wire.now()
    bench.oxo.omc(Page.RAINBOW, {ENABLED: True})
    bench.time.rest()


@given("Rainbow was disabled by OMC")
@when("Rainbow is disabled by OMC")
def disable_by_omc(bench: Bench, story: Story) -> None:
    """Unchecks the box and clicks OK."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.oxo.omc(Page.RAINBOW, {ENABLED: False})
    bench.time.rest()


@when("Rainbow is enabled by MMC")
@when("Rainbow is disabled by MMC")
def toggle_by_mmc(bench: Bench, story: Story) -> None:
    """Presses Choice once, which enables what was disabled and the other way round."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.oxo.mmc(DEFAULT_ADMINISTRATOR_PASSWORD, MMC_TOGGLE)
    bench.time.rest()


@when(parsers.parse("Rainbow is disabled and enabled again by {way}"))
def disable_and_enable(bench: Bench, story: Story, way: str) -> None:
    """Off and on again, both by the same way in."""
    off, on = {"OMC": (disable_by_omc, enable_by_omc), "MMC": (toggle_by_mmc, toggle_by_mmc)}[way]
    off(bench, story)
    on(bench, story)


@when("Rainbow is disabled by OMC and enabled by MMC")
def off_by_omc_on_by_mmc(bench: Bench, story: Story) -> None:
    """Off and on again by different ways in."""
    disable_by_omc(bench, story)
    toggle_by_mmc(bench, story)


@when("Rainbow is disabled by MMC and enabled by OMC")
def off_by_mmc_on_by_omc(bench: Bench, story: Story) -> None:
    """Off and on again by different ways in."""
    toggle_by_mmc(bench, story)
    enable_by_omc(bench, story)


@when(parsers.parse("Rainbow is disabled and enabled {times:d} times"))
def disable_and_enable_often(bench: Bench, story: Story, times: int) -> None:
    """Off and on again, by OMC and by MMC in turn."""
    for number in range(times):
        disable_and_enable(bench, story, ("OMC", "MMC")[number % 2])


@when("Rainbow is unchecked in OMC and the page is left with Cancel")
def cancel(bench: Bench, story: Story) -> None:
    """The edit is not committed."""
    bench.oxo.omc(Page.RAINBOW, {ENABLED: False}, button="Cancel")
    bench.time.rest()


@when("somebody tries to disable Rainbow by MMC with a wrong password")
def wrong_mmc_password(bench: Bench) -> None:
    """The display asks again and has no key System."""
    try:
        bench.oxo.mmc("not the password", MMC_TOGGLE)
    except Declined:
        bench.time.rest()
    else:
        raise AssertionError("Awaited: MMC does not open for a wrong password. Instead: it opened.")


@given("the activation code in OMC is wrong")
def wrong_code(bench: Bench, story: Story) -> None:
    """Another four digits than those that Rainbow gave."""
    wrong = "1000" if story.activation_code != "1000" else "1001"
    bench.oxo.omc(Page.RAINBOW, {"Activation code": wrong})


@when("the right activation code is entered in OMC")
@when("the new activation code is entered in OMC")
def enter_code(bench: Bench, story: Story) -> None:
    """The code that Rainbow shows now."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.oxo.omc(Page.RAINBOW, {"Activation code": bench.rainbow.activation_code(story.pbx_id)})


@given("the PBX ID in OMC is not the one that Rainbow knows")
def wrong_pbx_id(bench: Bench, story: Story) -> None:
    """One digit is another."""
    last = "0" if story.pbx_id[-1] != "0" else "1"
    bench.oxo.omc(Page.RAINBOW, {"PBX ID": story.pbx_id[:-1] + last})


@given("the ID and activation code of the other PBX were entered in OMC")
def become_the_other_pbx(bench: Bench, story: Story) -> None:
    """The OXO Connect is another PBX to Rainbow from now on, and the scenario is about that one."""
    bench.time.rest()
    story.since = bench.wire.now()
    former, story.kept = story.pbx_id, bench.rainbow.pbx(story.pbx_id).devices
    story.pbx_id, story.other_pbx_id = story.other_pbx_id, former
    story.link = story.retrievals = 0
    code = bench.rainbow.activation_code(story.pbx_id)
    bench.oxo.omc(Page.RAINBOW, {"PBX ID": story.pbx_id, "Activation code": code})


@when(parsers.parse('{field} is set to "{value}" in OMC'))
def set_field(bench: Bench, story: Story, field: str, value: str) -> None:
    """Edits one field and clicks OK; what OMC says when it refuses is kept."""
    story.refusal = ""
    try:
        bench.oxo.omc(FIELD_PAGES[field], {field: value})
    except Declined as refusal:
        story.refusal = str(refusal)
    bench.time.rest()


@given(parsers.parse('the domain in OMC is "{domain}"'))
@when(parsers.parse('the domain is changed to "{domain}" in OMC'))
def change_domain(bench: Bench, story: Story, domain: str) -> None:
    """Another Rainbow."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.oxo.omc(Page.RAINBOW, {"Domain": domain})


@then(parsers.parse("OMC refuses and names {field}"))
def omc_refused(bench: Bench, story: Story, field: str) -> None:
    """The refusal begins with the field's name."""
    bench.expect(
        lambda: story.refusal.startswith(field),
        f"a refusal that names the field {field}",
        lambda: f"OMC said {story.refusal!r}" if story.refusal else "OMC took the value",
    )


@then(parsers.parse("OMC shows Rainbow as {state}"))
def omc_shows(bench: Bench, state: str) -> None:
    """The box on the page Cloud > Rainbow."""
    wanted = {"enabled": True, "disabled": False}[state]
    bench.expect(
        lambda: bench.oxo.omc_page(Page.RAINBOW)[ENABLED] is wanted,
        f"the box {ENABLED} {'checked' if wanted else 'unchecked'}",
        lambda: f"the page shows {bench.oxo.omc_page(Page.RAINBOW)}",
    )


@then(parsers.parse("MMC shows Rainbow as {state}"))
def mmc_shows(bench: Bench, state: str) -> None:
    """The display under System > Rainbow."""

    def display() -> list[str]:
        return bench.oxo.mmc(DEFAULT_ADMINISTRATOR_PASSWORD, ("System", "Rainbow"))

    bench.expect(
        lambda: any(line.endswith(f": {state}") for line in display()),
        f"a line that says {state}",
        lambda: f"the display shows {display()}",
    )


@then(parsers.parse('OMC shows "{text}"'))
def omc_shows_text(bench: Bench, text: str) -> None:
    """The status on the page Cloud > Rainbow."""
    bench.expect(
        lambda: text in bench.oxo.omc_page(Page.RAINBOW).values(),
        f"{text!r} on the page",
        lambda: f"the page shows {bench.oxo.omc_page(Page.RAINBOW)}",
    )


def parameters_shown(bench: Bench) -> dict[Page, dict[str, str | bool]]:
    """What OMC shows of every connection parameter; neither the box nor the status is one."""
    shown = {page: bench.oxo.omc_page(page) for page in Page}
    for name in (ENABLED, "Connection status"):
        del shown[Page.RAINBOW][name]
    return shown


@given("the WSS link was brought up")
@when("the WSS link is brought up")
def brought_up(bench: Bench, story: Story) -> None:
    """Enables Rainbow and waits until the link is up and Rainbow has the devices."""
    enable_by_omc(bench, story)
    bring_up(bench, story)
    story.shown = parameters_shown(bench)


@then("OMC shows the same connection parameters as before")
def same_parameters(bench: Bench, story: Story) -> None:
    """Every field of every page."""
    bench.expect(
        lambda: parameters_shown(bench) == story.shown,
        f"{story.shown}",
        lambda: f"OMC shows {parameters_shown(bench)}",
    )


@then("the next WSS link uses the same parameters")
def next_link_same(bench: Bench, story: Story) -> None:
    """The link comes up again, as the same PBX, with the final password, through the same proxy with its account."""
    link_comes_up(bench, story)
    record = bench.rainbow.pbx(story.pbx_id)
    lines = bench.wire.capture().connect_lines(segment="lan", source=bench.plan.address(Role.OXO), since=story.since)
    bench.expect(
        lambda: (
            record.sessions[-1].logged_in_with is CodeKind.PRIVATE_CODE
            and bool(lines)
            and all(line.has_credentials for line in lines)
        ),
        "a login with the final password through the proxy, with its account",
        lambda: f"login with the {record.sessions[-1].logged_in_with}, {len(lines)} requests to the proxy",
    )
