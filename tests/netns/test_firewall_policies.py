"""The firewall on the real kernel: what each policy lets out, and how it changes while connections live."""

from __future__ import annotations

import time
from ipaddress import ip_address
from pathlib import Path

import pytest

from network.firewall import Policy, PolicyRefused, addresses_for_policies, policy_names, ruleset
from network.plan import DEFAULT_PLAN, Role
from network.wire.capture import Capture
from network.wire.frames import Tcp
from node.control import Refusal
from tests.netns.conftest import Hands

OXO, PROXY, PCG = (str(DEFAULT_PLAN.address(role)) for role in (Role.OXO, Role.PROXY, Role.PCG))
OUTSIDE = str(DEFAULT_PLAN.address(Role.FIREWALL, "wan"))

HTTPS, HTTP, OTHER = ("tcp", PCG, 443), ("tcp", PCG, 80), ("tcp", PCG, 8443)
NAMES, NAMES_TCP, CLOCK = ("udp", PCG, 53), ("tcp", PCG, 53), ("udp", PCG, 123)
IKE, IKE_NAT = ("udp", PCG, 500), ("udp", PCG, 4500)
EVERYTHING = (HTTPS, HTTP, OTHER, NAMES, NAMES_TCP, CLOCK, IKE, IKE_NAT)

PASSED = ["passed"] * 8
DROPPED = ["dropped"] * 8
HTTPS_AND_NAMES = ["passed", "dropped", "dropped", "passed", "passed", "dropped"]
ALLOWED = {
    "permissive": (PASSED, PASSED),
    "blocking": (["dropped"] + ["passed"] * 7,) * 2,
    "rejecting": (["reset"] + ["passed"] * 7,) * 2,
    "proxy-only": (DROPPED, PASSED),
    "https-only": ([*HTTPS_AND_NAMES, "dropped", "dropped"],) * 2,
    "https-ipsec": ([*HTTPS_AND_NAMES, "passed", "passed"],) * 2,
    "no-ipsec": (["passed"] * 6 + ["dropped"] * 2,) * 2,
    "deny-all": (DROPPED, DROPPED),
}
"""By policy: what comes of EVERYTHING for the PBX and for the proxy."""


def test_every_policy_is_tried_here() -> None:
    assert policy_names() == sorted(ALLOWED)


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_what_a_policy_lets_out(hands: Hands, name: str) -> None:
    hands.policy(Policy.load(name))
    assert hands.nodes[Role.FIREWALL].ask("in_force") == name
    of_the_pbx, of_the_proxy = ALLOWED[name]
    assert hands.try_(Role.OXO, *EVERYTHING) == of_the_pbx
    assert hands.try_(Role.PROXY, *EVERYTHING) == of_the_proxy


def test_who_goes_out_has_the_firewalls_address(hands: Hands) -> None:
    hands.connect(Role.OXO, PCG, 443)
    hands.connect(Role.PROXY, PCG, 80)
    assert hands.nodes[Role.PCG].ask("callers") == [OUTSIDE, OUTSIDE]


def test_nothing_comes_in(hands: Hands) -> None:
    hands.nodes[Role.PCG].ask("add_route", network="192.168.92.0/24", gateway=OUTSIDE)
    assert hands.try_(Role.PCG, ("tcp", OXO, 80), ("tcp", PROXY, 8080)) == ["dropped", "dropped"]
    assert hands.nodes[Role.OXO].ask("callers") == []


@pytest.mark.parametrize(
    ("policy", "seen", "let_out"),
    [("permissive", "dropped", True), ("deny-all", "dropped", False), ("rejecting", "reset", False)],
)
def test_the_policy_decides_about_an_address_that_nobody_has_too(
    hands: Hands, policy: str, seen: str, let_out: bool
) -> None:
    hands.policy(Policy.load(policy))
    assert hands.try_(Role.OXO, ("tcp", "192.0.2.1", 443)) == [seen]
    out = Capture.read(hands.site.capture()).attempts(segment="wan", to=ip_address("192.0.2.1"))
    assert bool(out) is let_out


def test_the_lan_needs_no_firewall_for_itself(hands: Hands) -> None:
    hands.policy(Policy.load("deny-all"))
    assert hands.try_(Role.OXO, ("tcp", PROXY, 8080)) == ["passed"]


def test_an_established_connection_stays_when_the_policy_changes(hands: Hands) -> None:
    link = hands.connect(Role.OXO, PCG, 443)
    for name in ("blocking", "deny-all", "proxy-only"):
        hands.policy(Policy.load(name))
        assert hands.talk(Role.OXO, link) == "passed"
        assert hands.try_(Role.OXO, HTTPS) == ["dropped"]


def test_a_change_can_cut_established_connections(hands: Hands) -> None:
    link = hands.connect(Role.OXO, PCG, 443)
    hands.policy(Policy.load("deny-all"), cut=True)
    assert hands.talk(Role.OXO, link) == "dropped"


def test_the_firewall_itself_answers_nobody_for_a_connection_that_was_cut(hands: Hands) -> None:
    link = hands.connect(Role.OXO, PCG, 443)
    hands.policy(Policy.load("deny-all"), cut=True)
    hands.time.rest()
    since = time.time()
    assert hands.nodes[Role.PCG].ask("call_back") == 1
    assert hands.talk(Role.OXO, link) == "dropped"
    seen = [frame for frame in Capture.read(hands.site.capture()).frames if frame.time > since]
    assert [frame for frame in seen if frame.port == "wan-pcg" and isinstance(frame.content, Tcp)]
    assert not [frame for frame in seen if frame.port == "wan-firewall" and frame.source]


def test_a_cut_connection_is_not_taken_up_again_by_an_open_firewall(hands: Hands) -> None:
    link = hands.connect(Role.OXO, PCG, 443)
    hands.policy(Policy.load("permissive"), cut=True)
    assert hands.talk(Role.OXO, link) == "dropped"
    assert hands.try_(Role.OXO, HTTPS) == ["passed"]


def test_the_rules_outlive_the_process_that_made_them(hands: Hands) -> None:
    hands.policy(Policy.load("https-only"))
    hands.site.kill(Role.FIREWALL)
    assert hands.try_(Role.OXO, HTTPS, HTTP) == ["passed", "dropped"]


def test_an_own_policy_file(hands: Hands, tmp_path: Path) -> None:
    file = tmp_path / "customer.nft"
    file.write_text(
        "# The customer's own: the proxy alone, and names for all.\n"
        "ip saddr { $proxy } tcp dport { 80,\n  443 } accept  # a brace in a comment: }\n"
        'udp dport 53 accept comment "and one in a string: }"\n'
    )
    policy = Policy.load(str(file))
    assert policy.name == "customer"
    hands.policy(policy)
    assert hands.try_(Role.OXO, *EVERYTHING) == ["dropped"] * 3 + ["passed"] + ["dropped"] * 4
    assert hands.try_(Role.PROXY, *EVERYTHING) == ["passed"] * 2 + ["dropped", "passed"] + ["dropped"] * 4


def test_an_empty_policy_lets_nothing_out(hands: Hands, tmp_path: Path) -> None:
    (tmp_path / "nothing.nft").write_text("")
    hands.policy(Policy.load(str(tmp_path / "nothing.nft")))
    assert hands.try_(Role.OXO, HTTPS) == ["dropped"]


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ("tcp dport 443 acept\n", 1),
        ("accep", 1),
        ("drop\n# then\n\nip saddr $nobody accept\n", 4),
        ("tcp dport 99999 accept\n", 1),
        ("accept\ntcp dport { 80, 443\n", 2),
        ("accept\n}\nchain incoming {\n accept\n", 2),
        ("tcp dport { 80 }} accept\n", 1),
    ],
)
def test_bad_rules_are_refused_with_their_line_and_change_nothing(hands: Hands, rules: str, line: int) -> None:
    hands.policy(Policy.load("blocking"))
    with pytest.raises(Refusal, match=rf"firewall policy 'mine'.*line {line}\b") as refused:
        hands.policy(Policy("mine", rules))
    assert "\n" not in str(refused.value)
    assert hands.nodes[Role.FIREWALL].ask("in_force") == "blocking"
    assert hands.try_(Role.OXO, HTTPS, HTTP) == ["dropped", "passed"]


def test_a_policy_that_does_not_exist() -> None:
    with pytest.raises(PolicyRefused, match=r"no firewall policy 'open'.*blocking.*\.nft"):
        Policy.load("open")
    with pytest.raises(PolicyRefused, match=r"no firewall policy '\.\./policies/blocking'"):
        Policy.load("../policies/blocking")


def test_policy_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PolicyRefused, match=r"missing\.nft cannot be read: No such file"):
        Policy.load(str(tmp_path / "missing.nft"))
    (tmp_path / "folder.nft").mkdir()
    with pytest.raises(PolicyRefused, match=r"folder\.nft cannot be read: Is a directory"):
        Policy.load(str(tmp_path / "folder.nft"))
    (tmp_path / "latin.nft").write_bytes("# Zürich".encode("latin-1"))
    with pytest.raises(PolicyRefused, match=r"latin\.nft is not UTF-8"):
        Policy.load(str(tmp_path / "latin.nft"))
    (tmp_path / "large.nft").write_bytes(b"#" * (64 * 1024 + 1))
    with pytest.raises(PolicyRefused, match=r"large\.nft is larger than 65536 bytes"):
        Policy.load(str(tmp_path / "large.nft"))


def test_the_addresses_of_the_site_stand_in_the_rules() -> None:
    text = ruleset(Policy.load("proxy-only"), addresses_for_policies(DEFAULT_PLAN))
    assert f"define proxy = {PROXY}" in text
    assert "define firewall" not in text
