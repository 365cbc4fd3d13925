"""The client's side of a SASL exchange: proves the password, and has the server prove that it knows it too."""

from __future__ import annotations

from typing import Protocol

from scramp import ScramClient, ScramException

from emulators.xmpp.conditions import SaslCondition
from emulators.xmpp.sasl import MAX_ITERATIONS, Mechanism, SaslFailure, prepared


class Exchange(Protocol):
    """One attempt to log in. Every method raises SaslFailure when the server does what it must not."""

    def first(self) -> bytes:
        """The initial response."""

    def answer(self, challenge: bytes) -> bytes:
        """The response to a challenge."""

    def finish(self, data: bytes | None) -> None:
        """Takes the server's success, with the data that came with it."""


def begin(mechanism: Mechanism, username: str, password: str) -> Exchange:
    """Begins an exchange."""
    if mechanism is Mechanism.PLAIN:
        return _Plain(username, password)
    return _Scram(mechanism, username, password)


class _Plain:
    def __init__(self, username: str, password: str) -> None:
        self._message = f"\0{username}\0{prepared(password)}".encode()

    def first(self) -> bytes:
        return self._message

    def answer(self, challenge: bytes) -> bytes:
        raise SaslFailure(SaslCondition.ABORTED, "the server sent a challenge, which PLAIN does not have")

    def finish(self, data: bytes | None) -> None:
        """Nothing is proved: the server has the password and may say what it likes."""


class _Scram:
    def __init__(self, mechanism: Mechanism, username: str, password: str) -> None:
        self._scram = ScramClient([str(mechanism)], username, password)
        self._answered = False
        self._verified = False

    def first(self) -> bytes:
        return str(self._scram.get_client_first()).encode()

    def answer(self, challenge: bytes) -> bytes:
        if self._answered:
            # RFC 6120, section 6.3.10: the server's last word may come as a challenge instead of with the success.
            self._verify(challenge)
            return b""
        self._answered = True
        try:
            self._scram.set_server_first(challenge.decode())
            if int(self._scram.iterations) > MAX_ITERATIONS:
                raise SaslFailure(SaslCondition.ABORTED, f"the server asks for more than {MAX_ITERATIONS} iterations")
            return str(self._scram.get_client_final()).encode()
        except (ScramException, UnicodeDecodeError) as error:
            raise SaslFailure(SaslCondition.ABORTED, f"the server's challenge is wrong: {error}") from error

    def finish(self, data: bytes | None) -> None:
        if not self._verified:
            self._verify(data or b"")

    def _verify(self, data: bytes) -> None:
        try:
            self._scram.set_server_final(data.decode())
        except (ScramException, UnicodeDecodeError) as error:
            raise SaslFailure(SaslCondition.ABORTED, "the server did not prove that it knows the password") from error
        self._verified = True
