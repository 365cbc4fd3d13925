"""charon of either side, or the whole PBX, dies at random moments of a set-up or of a closing."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

from tests.vpn.conftest import VpnSite

ROUNDS = int(os.environ.get("OXOBENCH_KILLS", "18"))
"""How many deaths; 200 take a minute."""
SHORT = {
    "tunnel": {
        "setup_timeout": 1,
        "close_timeout": 1,
        "retransmission": {"timeout": 0.2, "base": 1, "tries": 2},
    }
}


def _kill_pbx_charon(site: VpnSite, turns: int, finish: Callable[[], object]) -> None:
    site.pbx.ask("kill_charon_after", turns=turns)
    finish()


def _kill_gateway_charon(site: VpnSite, turns: int, finish: Callable[[], object]) -> None:
    site.pbx.ask("turns", count=turns)
    site.gateway.ask("kill_charon")
    site.pass_time(1.1)
    finish()
    if site.state()["state"] == "up":
        closing = site.begin_close()
        site.pass_time(1.1)
        closing()
    site.gateway.ask("restart_charon")


def _cut_power(site: VpnSite, turns: int, finish: Callable[[], object]) -> None:
    site.pbx.ask("turns", count=turns)
    site.power_cut()
    site.until(lambda: site.pbx.ask("charons") == 1, "the end of the PBX's charon")


def test_nothing_is_left_and_the_next_request_works(vpn_site: Callable[..., VpnSite]) -> None:
    site = vpn_site(SHORT)
    chance = random.Random(3)
    for round_ in range(ROUNDS):
        kill = chance.choice((_kill_pbx_charon, _kill_gateway_charon, _cut_power))
        moment = chance.choice(("set-up", "closing"))
        turns = chance.randrange(60 if moment == "set-up" else 25)
        about = f"round {round_}: {kill.__name__}, {turns} turns into {moment}"
        if moment == "closing":
            assert site.open()["address"], about
        kill(site, turns, site.begin_open() if moment == "set-up" else site.begin_close())
        if site.state()["state"] == "up":
            site.close()
        site.until(lambda: site.state()["state"] == "down", f"{about}: the end of the tunnel")
        # The gateway may still hold the tunnel of a PBX that died in the middle, and would find out by itself.
        site.gateway.ask("delete")
        site.assert_nothing_left()
        assert site.open()["address"], about
        assert site.close()["closed"] == 1, about
        site.assert_nothing_left()


def test_a_close_request_at_any_moment_of_a_set_up(vpn_site: Callable[..., VpnSite]) -> None:
    site = vpn_site()
    chance = random.Random(4)
    for _ in range(ROUNDS // 2):
        opening = site.begin_open()
        site.pbx.ask("turns", count=chance.randrange(60))
        closed, opened = site.close(), opening()
        assert (closed["closed"], opened["code"]) in [(0, "busy"), (1, "")]
        site.assert_nothing_left()
