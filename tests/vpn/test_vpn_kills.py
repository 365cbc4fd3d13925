"""charon of either side dies at random moments of a set-up or of a closing."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

from tests.vpn.conftest import VpnSite

ROUNDS = int(os.environ.get("OXOBENCH_KILLS", "24"))
SHORT = {
    "tunnel": {
        "setup_timeout": 1,
        "close_timeout": 1,
        "retransmission": {"timeout": 0.2, "base": 1, "tries": 2},
    }
}


def test_nothing_is_left_and_the_next_request_works(vpn_site: Callable[..., VpnSite]) -> None:
    site = vpn_site(SHORT)
    chance = random.Random(3)
    for round_ in range(ROUNDS):
        side, moment = chance.choice(("pbx", "gateway")), chance.choice(("set-up", "closing"))
        turns = chance.randrange(60 if moment == "set-up" else 25)
        about = f"round {round_}: {side} {turns} into {moment}"
        if moment == "closing":
            assert site.open()["address"], about
        finish = site.begin_open() if moment == "set-up" else site.begin_close()
        if side == "pbx":
            site.pbx.ask("kill_charon_after", turns=turns)
        else:
            site.pbx.ask("turns", count=turns)
            site.gateway.ask("kill_charon")
            site.pass_time(1.1)
        finish()
        if side == "gateway":
            site.gateway.ask("restart_charon")
        if site.state()["state"] == "up":
            closing = site.begin_close()
            if side == "gateway":
                site.pass_time(1.1)
            closing()
        site.until(lambda: site.state()["state"] == "down", f"{about}: the end of the tunnel")
        if side == "pbx":
            # The gateway still holds a tunnel whose PBX has died in the middle; the next one of that account replaces it.
            site.gateway.ask("delete")
        site.assert_nothing_left()
        assert site.open()["address"], about
        assert site.close()["closed"] == 1, about
        site.assert_nothing_left()
