from __future__ import annotations

from pathlib import Path

import pytest

from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.parameters import AgentParameters, DelayFrom
from tests.agent.rig import Site, addresses, clock, jump, run, settle, site, until

LADDER = (10, 30, 60, 120, 240, 480, 960, 960, 960)


async def waiting(here: Site, attempts: int) -> None:
    await until(lambda: len(here.dns.asked) == attempts and here.status.startswith("Waiting"))


def test_delays_after_failures_in_a_row(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, answer=addresses()) as here:
            for number, delay in enumerate(LADDER, start=1):
                await waiting(here, number)
                assert f"next attempt in {delay} s" in here.status
                assert "does not exist" in here.status
                jump(delay - 1)
                await settle()
                assert len(here.dns.asked) == number, f"attempt {number + 1} came too early"
                jump(1)
            await waiting(here, len(LADDER) + 1)
            gaps = [later - earlier for earlier, later in zip(here.dns.asked, here.dns.asked[1:], strict=False)]
            assert gaps == pytest.approx(LADDER, abs=0.9)

    run(scenario())


def test_disabling_and_enabling_attempts_at_once_and_starts_the_ladder_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, answer=addresses()) as here:
            await waiting(here, 1)
            jump(10)
            await waiting(here, 2)
            jump(30)
            await waiting(here, 3)
            before = clock().time()
            await here.enable(False)
            await here.enable()
            await waiting(here, 4)
            assert clock().time() - before < 2
            assert "next attempt in 10 s" in here.status

    run(scenario())


def test_nothing_is_attempted_while_disabled(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, answer=addresses()) as here:
            await waiting(here, 1)
            await here.enable(False)
            await until(lambda: here.status == "Disabled")
            for _ in range(4):
                jump(900)
                await settle()
            assert len(here.dns.asked) == 1

    run(scenario())


def test_a_success_resets_the_ladder_and_a_lost_link_is_a_failure(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, answer=addresses()) as here:
            for number, delay in enumerate((10, 30, 60), start=1):
                await waiting(here, number)
                if delay == 60:
                    here.dns.answer = addresses("127.0.0.1")
                jump(delay)
            await here.running()
            here.dns.answer = addresses()
            asked = len(here.dns.asked)
            here.gateway.link(here.pbx.id).session.abort("test", reset=True)
            await until(lambda: here.status.startswith("Waiting, next attempt in 10 s"))
            jump(10)
            await waiting(here, asked + 1)
            assert "next attempt in 30 s" in here.status

    run(scenario())


class LadderWithoutReset(CCCtrlA):
    def _on_success(self) -> None:
        self._failure = None


def test_a_device_that_does_not_reset_its_ladder_can_be_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, agent=LadderWithoutReset, answer=addresses()) as here:
            await waiting(here, 1)
            here.dns.answer = addresses("127.0.0.1")
            jump(10)
            await here.running()
            here.gateway.link(here.pbx.id).session.abort("test", reset=True)
            await until(lambda: here.status.startswith("Waiting, next attempt in 30 s"))

    run(scenario())


@pytest.mark.parametrize(("since", "left"), [(DelayFrom.FAILURE, 10), (DelayFrom.START, 6)])
def test_where_a_delay_is_measured_from(tmp_path: Path, since: DelayFrom, left: int) -> None:
    async def scenario() -> None:
        parameters = AgentParameters(delay_from=since, attempt_timeout=4, dns_timeout=60)
        async with site(tmp_path, answer=lambda query: None, parameters=parameters) as here:
            await until(lambda: here.dns.asked)
            jump(4)
            await until(lambda: here.status.startswith("Waiting"))
            assert f"next attempt in {left} s" in here.status
            assert "DNS: no answer within 4 s" in here.status

    run(scenario())
