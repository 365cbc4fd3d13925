"""Steps about the OXO Connect's power supply and its restarts."""

from __future__ import annotations

from pytest_bdd import given, parsers, when

from bench.bench import Bench
from emulators.oxo.omc import Page
from steps.oxo import ENABLED, disable_by_omc, enable_by_omc
from steps.rainbow import LONGEST_DELAY, take_link
from steps.story import Story


@when("the PBX restarts")
def restart(bench: Bench, story: Story) -> None:
    """A warm restart."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.oxo.restart()
    bench.time.rest()


@given("the power was cut")
@when("the power is cut")
def power_cut(bench: Bench, story: Story) -> None:
    """The PBX loses its power at once and gets it back."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.oxo.cut_power()
    bench.oxo.restart()
    bench.time.rest()


@when(parsers.parse("the PBX loses its power for {minutes:d} minutes"))
def power_loss(bench: Bench, story: Story, minutes: int) -> None:
    """The PBX is without power for a while. Nobody is told: not even its connections end."""
    bench.time.rest()
    story.since = bench.wire.now()
    story.silent_since = bench.time.clock()
    bench.oxo.cut_power()
    bench.time.advance(minutes * 60)
    bench.oxo.restart()


@when("the power is cut while Rainbow is being disabled")
def power_cut_while_disabling(bench: Bench, story: Story) -> None:
    """The power fails in the middle of the write; whatever is found then, Rainbow is to be enabled afterwards."""
    cut_during(bench, story, enabled=False)


@when("the power is cut while Rainbow is being enabled")
def power_cut_while_enabling(bench: Bench, story: Story) -> None:
    """As above, the other way round."""
    disable_by_omc(bench, story)
    cut_during(bench, story, enabled=True)


def cut_during(bench: Bench, story: Story, enabled: bool) -> None:
    """Cuts the power in the middle of the write that stores the box, restarts the PBX, and enables Rainbow."""
    bench.time.rest()
    begun = bench.wire.now()
    bench.oxo.lose_power_at_next_write(after=100)
    bench.oxo.omc_losing_power(Page.RAINBOW, {ENABLED: enabled})
    bench.oxo.restart()
    enable_by_omc(bench, story)
    # The PBX may have found itself enabled and connected before that.
    story.since = begun


@given("the power will fail while the PBX stores its final password")
def power_will_fail(bench: Bench) -> None:
    """Rainbow is enabled already, so the next thing that the PBX stores is its final password."""
    bench.oxo.lose_power_at_next_write(after=100)


@when("the power comes back")
def power_comes_back(bench: Bench, story: Story) -> None:
    """The power has failed meanwhile, and the PBX starts again."""
    bench.expect(
        lambda: not bench.oxo.has_power(),
        "the power failed while the PBX stored its final password",
        lambda: "the PBX has stored nothing",
        LONGEST_DELAY,
    )
    # Rainbow has not noticed yet that this one is dead.
    take_link(bench, story)
    restart(bench, story)


@when("Rainbow is disabled, the PBX restarts and Rainbow is enabled")
def disable_restart_enable(bench: Bench, story: Story) -> None:
    """A restart between off and on."""
    disable_by_omc(bench, story)
    restart(bench, story)
    enable_by_omc(bench, story)
