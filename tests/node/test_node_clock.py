"""The clock of the nodes: timers, jumps, and that nothing that is over stays in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.clock import ClockLoop


def run(main: Coroutine[Any, Any, object]) -> None:
    """Runs a coroutine on a clock loop."""
    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        runner.run(main)


def the_loop() -> ClockLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ClockLoop)
    return loop


async def breathe() -> None:
    """Lets everything run that can run now."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_it_runs_as_the_machines_clock_does_until_it_jumps() -> None:
    loop = ClockLoop()
    before, now, after = time.monotonic(), loop.time(), time.monotonic()
    assert before <= now <= after
    loop.jump(960)
    assert loop.offset == 960
    assert loop.time() - 960 == pytest.approx(time.monotonic(), abs=1)
    loop.jump(30)
    assert loop.offset == 960, "time does not go back"
    loop.close()


def test_a_jump_ends_every_kind_of_wait() -> None:
    async def main() -> None:
        ended = []

        async def sleeper() -> None:
            await asyncio.sleep(960)
            ended.append("sleep")

        async def impatient() -> None:
            try:
                async with asyncio.timeout(120):
                    await asyncio.Event().wait()
            except TimeoutError:
                ended.append("timeout")

        async def waiting() -> None:
            await asyncio.wait([asyncio.create_task(asyncio.sleep(5000))], timeout=30)
            ended.append("wait")

        tasks = [asyncio.create_task(work()) for work in (sleeper, impatient, waiting)]
        await breathe()
        the_loop().jump(1000)
        await asyncio.gather(*tasks)
        assert ended == ["wait", "timeout", "sleep"]

    run(main())


def test_the_next_timer_is_the_earliest_that_still_waits() -> None:
    async def main() -> None:
        loop = the_loop()
        assert loop.next_timer() is None
        far = loop.call_later(900, list)
        near = loop.call_later(90, list)
        assert loop.next_timer() == near.when()
        near.cancel()
        assert loop.next_timer() == far.when()
        loop.jump(901)
        await breathe()
        assert loop.next_timer() is None

    run(main())


def test_a_loop_with_nothing_to_wait_for_has_no_next_timer() -> None:
    loop = ClockLoop()
    assert loop.next_timer() is None
    handle = loop.call_later(10, list)
    handle.cancel()
    assert loop.next_timer() is None
    loop.close()


def test_a_callback_gets_its_arguments_and_context() -> None:
    async def main() -> None:
        heard: list[tuple[int, str]] = []
        loop = the_loop()
        loop.call_later(60, lambda *said: heard.append(said), 1, "one")
        loop.jump(61)
        await breathe()
        assert heard == [(1, "one")]

    run(main())


class Wrong(Exception):
    """What a callback of these tests raises."""


def test_a_callback_that_fails_is_over_all_the_same() -> None:
    async def main() -> None:
        loop, told = the_loop(), []
        loop.set_exception_handler(lambda _, context: told.append(type(context["exception"])))

        def fail() -> None:
            raise Wrong

        loop.call_later(60, fail)
        loop.jump(61)
        await breathe()
        assert told == [Wrong]
        assert loop.next_timer() is None

    run(main())


Delays = st.lists(st.tuples(st.integers(1, 10_000), st.booleans()), max_size=40)


@settings(max_examples=100, deadline=None)
@given(Delays)
def test_jumping_from_timer_to_timer_runs_them_in_order(delays: list[tuple[int, bool]]) -> None:
    """All but those that were cancelled (True), each by itself, and none before its time."""

    async def main() -> None:
        loop = the_loop()
        rung: list[float] = []
        begun = loop.time()
        for delay, cancelled in delays:
            handle = loop.call_at(begun + delay, rung.append, delay)
            if cancelled:
                handle.cancel()
        while (when := loop.next_timer()) is not None:
            loop.jump(when - time.monotonic())
            await breathe()
            assert rung[-1] == pytest.approx(when - begun)
        assert rung == sorted(delay for delay, cancelled in delays if not cancelled)

    run(main())


def test_timers_that_are_over_are_forgotten() -> None:
    """On real time nobody asks for the next timer, and a bench may run for days."""

    async def main() -> None:
        loop = the_loop()
        for round_ in range(50):
            for _ in range(100):
                loop.call_later(3600, list).cancel()
                loop.call_later(1, list)
            loop.jump(2.0 * (round_ + 1))
            await breathe()
        assert len(loop._timers) < 1000
        assert len(loop._waiting) < 1000

    run(main())
