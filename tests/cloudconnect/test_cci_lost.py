"""The CCI goes away at random moments of a set-up or of a closing, on a whole site."""

from __future__ import annotations

import random

import pytest

from bench.bench import Bench
from emulators.cci.account import Outcome
from network.plan import Role
from steps import cloud_connect, tunnel, vpn
from steps.story import Story

ROUNDS = 6


@pytest.mark.vpn
def test_nothing_is_left_and_the_next_request_works(bench: Bench) -> None:
    story, chance = Story(), random.Random(5)
    cloud_connect.known_by_cloud_connect(bench, story)
    cloud_connect.was_connected(bench, story)
    for round_ in range(ROUNDS):
        closing = chance.random() < 0.5
        if closing:
            vpn.opened(bench, story)
        number = bench.cci.close(story.account) if closing else vpn.ask(bench, story)
        # Each question to the PBX's node is one more turn of its loop, so the moment is another one each time.
        for _ in range(chance.randrange(40)):
            bench.oxo.has_power()
        bench.cci.node.ask("restart")
        cloud_connect.is_connected_again(bench, story)
        bench.time.rest()
        outcome = vpn.answer(bench, story, number).outcome
        assert outcome in (Outcome.UNANSWERED, Outcome.OPENED, Outcome.CLOSED), f"round {round_}: {outcome}"
        vpn.ask_once(bench, story)
        vpn.all_opened(bench, story)
        vpn.close(bench, story)
        assert vpn.latest(bench, story)[0].outcome is Outcome.CLOSED, f"round {round_}"
        tunnel.gone_on_both_ends(bench)
        assert tunnel.vpn_addresses(bench, Role.OXO) == []
