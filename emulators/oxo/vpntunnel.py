"""The PBX's end of one VPN tunnel: IKEv2 with its own charon, from the first packet to the last.

The VPN gateway proves itself by a certificate, the PBX by EAP-MSCHAPv2; the gateway assigns the PBX a virtual address
(third-party practitioner guide, consistent with the Installation Manual). A tunnel is made once: when it ends, in
whatever way, it never comes back, and a new one is a new object with a new charon.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from emulators.cloudconnect.failure import Failure, FailureCode
from emulators.cloudconnect.requests import VpnParameters
from emulators.ipsec.charon import Charon, Retransmission
from emulators.ipsec.esp import TunnelUnavailable
from emulators.ipsec.vici import Message, ViciError, ViciRefused
from emulators.oxo.failure import words
from emulators.parameters import Parameters, Reader, each

log = logging.getLogger(__name__)

NAME = "cco"


@dataclass(frozen=True)
class TunnelParameters(Parameters):
    """How the PBX makes a tunnel and holds it. Seconds; none of it is public but the probes and the algorithms [?].

    `setup_timeout` and `close_timeout` are the device's time; `dead_peer_delay` (how long the gateway may be silent
    before it is probed, in whole seconds; 30 s by the Installation Manual) and `retransmission` (how long until it
    counts as dead) are charon's own, in real time. `networks` is what lies behind the gateway.
    """

    KIND: ClassVar[str] = "parameter of the VPN tunnel"
    READERS: ClassVar[Mapping[str, Reader]] = {"retransmission": Retransmission.read, "networks": each(str)}

    setup_timeout: float = 30.0
    close_timeout: float = 5.0
    dead_peer_delay: float = 30.0
    retransmission: Retransmission = field(default_factory=Retransmission)
    proposal: str = "aes256-sha256-ecp256"
    networks: tuple[str, ...] = ("10.168.92.1/32",)

    def __post_init__(self) -> None:
        for name in ("setup_timeout", "close_timeout", "dead_peer_delay"):
            if not 1 <= getattr(self, name) <= 86400:
                raise ValueError(f"the VPN's {name} is from 1 to 86400 seconds")


@dataclass(frozen=True)
class Gateway:
    """The VPN gateway: its name, which its certificate must bear, and its address."""

    name: str
    address: str


_REASONS = (
    (r"received NO_PROPOSAL_CHOSEN", FailureCode.NO_PROPOSAL, "accepts none of the PBX's algorithms"),
    (r"received TS_UNACCEPTABLE", FailureCode.NO_PROPOSAL, "does not serve what the PBX asks for"),
    (
        r"no trusted .*public key found",
        FailureCode.GATEWAY_REFUSED_CERTIFICATE,
        "has no certificate that the PBX trusts",
    ),
    (r"constraint check failed", FailureCode.GATEWAY_REFUSED_CERTIFICATE, "has a certificate for another name"),
    (r"signature validation failed", FailureCode.GATEWAY_REFUSED_CERTIFICATE, "does not hold its certificate's key"),
    (
        r"EAP\S* .*failed|received EAP_FAILURE",
        FailureCode.WRONG_PASSWORD,
        "does not take the PBX's account and password",
    ),
    (r"received AUTHENTICATION_FAILED", FailureCode.WRONG_PASSWORD, "refuses the PBX"),
)


def why_not_up(lines: list[str]) -> Failure:
    """Why charon could not bring a tunnel up, from what it logged; the first reason counts."""
    for line in lines:
        for pattern, code, text in _REASONS:
            if re.search(rf"^\[(IKE|CFG)\] .*{pattern}", line):
                return Failure(code, f"the VPN gateway {text}")
    answered = any("[NET] received packet" in line for line in lines)
    port = "its port 4500 does not answer" if answered else "it does not answer"
    return Failure(FailureCode.GATEWAY_UNREACHABLE, f"the VPN gateway cannot be reached: {port}")


def why_down(lines: list[str]) -> str:
    """Why a tunnel that was up ended, from what charon logged."""
    for line in reversed(lines):
        if "giving up after" in line:
            return "the VPN gateway no longer answers"
        if "received DELETE" in line:
            return "the VPN gateway closed the tunnel"
    return "the tunnel was cut"


class Tunnel:
    """One tunnel, with its charon's files in `folder`; `ca` is the trusted certification authorities in PEM."""

    def __init__(self, folder: Path, ca: str, parameters: TunnelParameters) -> None:
        self._ca = ca
        self._parameters = parameters
        self._charon = Charon(folder, parameters.retransmission)
        self._watch: asyncio.Task[str] | None = None
        self.address = ""
        """The PBX's address in the VPN, once the tunnel is up."""

    @property
    def daemon(self) -> int | None:
        """The process number of its charon, None when there is none."""
        return self._charon.pid

    async def sweep(self) -> None:
        """Takes away what an earlier tunnel of this folder left that was ended by a power cut."""
        with _what_is_left_stays():
            await self._charon.sweep()

    async def open(self, gateway: Gateway, login: VpnParameters) -> None:
        """Brings the tunnel up. Raises Failure; `close` must follow in any case."""
        try:
            async with asyncio.timeout(self._parameters.setup_timeout):
                await self._set_up(gateway, login)
        except TunnelUnavailable as error:
            raise Failure(FailureCode.TUNNEL_UNAVAILABLE, str(error)) from error
        except (ViciRefused, TimeoutError) as error:
            raise why_not_up(self._charon.log_lines()) from error
        except ViciError as error:
            raise Failure(FailureCode.TUNNEL_UNAVAILABLE, f"the PBX's IKE daemon failed: {error}") from error
        except OSError as error:
            raise Failure(FailureCode.TUNNEL_UNAVAILABLE, f"the PBX cannot make a tunnel: {words(error)}") from error

    async def lost(self) -> str:
        """Waits until the tunnel ends without having been closed here; returns why, in one sentence."""
        assert self._watch is not None
        return await asyncio.shield(self._watch)

    async def traffic(self) -> int:
        """How many bytes have gone through the tunnel, both ways, as charon counts them. Raises ViciError."""
        child = _child(await self._association())
        return int(child.get("bytes-in", "0")) + int(child.get("bytes-out", "0"))

    async def packets_sent(self) -> int:
        """How many packets have left through the tunnel. Raises ViciError."""
        return int(_child(await self._association()).get("packets-out", "0"))

    async def close(self, wait: bool = True) -> None:
        """Ends the tunnel: IKE DELETE to the gateway, then charon, address and routes. Harmless when it is down.

        Waits for the gateway's answer for `close_timeout`, unless told not to.
        """
        if self._watch is not None:
            self._watch.cancel()
        # charon sends a DELETE as well when it is stopped, but waits for no answer.
        if self.address and wait:
            # A gateway that does not answer the DELETE, or a charon that is gone, does not keep the tunnel up.
            with contextlib.suppress(ViciError, TimeoutError):
                async with asyncio.timeout(self._parameters.close_timeout):
                    await self._charon.vici.ask("terminate", {"ike": NAME})
        with _what_is_left_stays():
            await self._charon.stop()
        self.address = ""

    async def _set_up(self, gateway: Gateway, login: VpnParameters) -> None:
        await self._charon.start()
        vici = self._charon.vici
        await vici.ask("load-shared", {"type": "EAP", "data": login.password, "owners": [login.account]})
        await vici.ask("load-conn", {NAME: self._connection(gateway, login)})
        watching = asyncio.Event()
        self._watch = asyncio.create_task(self._until_down(watching))
        await watching.wait()
        await vici.ask("initiate", {"ike": NAME, "child": NAME})
        association = await self._association()
        addresses = association.get("local-vips", [])
        if not addresses or _child(association).get("state") != "INSTALLED":
            raise ViciRefused("the VPN gateway has assigned no address")
        self.address = addresses[0]

    async def _association(self) -> Message:
        """The IKE SA as charon lists it; empty when there is none."""
        listed = await self._charon.vici.list("list-sas", "list-sa", {"ike": NAME})
        association: Message = listed[0][NAME] if listed else {}
        return association

    async def _until_down(self, watching: asyncio.Event) -> str:
        try:
            async with self._charon.vici.listen("ike-updown", "child-updown") as events:
                watching.set()
                async for _, message in events:
                    if message.get("up") != "yes":
                        return why_down(self._charon.log_lines())
        except ViciError:
            watching.set()
        return "the PBX's IKE daemon ended"

    def _connection(self, gateway: Gateway, login: VpnParameters) -> dict[str, Any]:
        parameters = self._parameters
        child = {
            "remote_ts": list(parameters.networks),
            "esp_proposals": [parameters.proposal],
            "start_action": "none",
            "dpd_action": "clear",
            "close_action": "none",
        }
        return {
            "version": "2",
            "proposals": [parameters.proposal],
            "remote_addrs": [gateway.address],
            "vips": ["0.0.0.0"],
            "dpd_delay": f"{parameters.dead_peer_delay:.0f}s",
            "keyingtries": "1",
            "mobike": "no",
            "local": {"auth": "eap-mschapv2", "id": login.account, "eap_id": login.account},
            "remote": {"auth": "pubkey", "id": gateway.name, "cacerts": _certificates(self._ca)},
            "children": {NAME: child},
        }


@contextlib.contextmanager
def _what_is_left_stays() -> Iterator[None]:
    """Where the system lets nothing be taken away, that is logged; the next tunnel tries it again, or fails."""
    try:
        yield
    except OSError as error:
        log.error("what is left of a VPN tunnel cannot be taken away: %s", words(error))


def _child(association: Message) -> Message:
    children: dict[str, Message] = association.get("child-sas", {})
    return next(iter(children.values()), {})


def _certificates(pem: str) -> list[str]:
    """The certificates of a PEM text, one by one."""
    return re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", pem, re.DOTALL)
