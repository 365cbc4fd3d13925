"""The server's side of a SASL exchange: any of a user's credentials will do, and nobody learns which users exist."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from scramp import ScramException, ScramMechanism
from scramp.core import ScramServer
from scramp.utils import ServerError

from emulators.xmpp.conditions import SaslCondition
from emulators.xmpp.jid import Jid
from emulators.xmpp.sasl import MAX_ITERATIONS, MIN_ITERATIONS, Credential, Mechanism, SaslFailure, prepared


@dataclass(frozen=True)
class Users:
    """Who may log in at `domain`, and with what.

    `credentials` is asked for a user by name, in lower case, and returns none for a user who is not known. It may raise
    SaslFailure to refuse for a reason of its own, such as account-disabled. `iterations` is SCRAM's number of rounds.
    Raises ValueError when that is out of range.
    """

    domain: str
    credentials: Callable[[str], Sequence[Credential]]
    iterations: int = MIN_ITERATIONS

    def __post_init__(self) -> None:
        if not MIN_ITERATIONS <= self.iterations <= MAX_ITERATIONS:
            raise ValueError(f"the number of iterations must be from {MIN_ITERATIONS} to {MAX_ITERATIONS}")

    def find(self, name: str) -> tuple[str, Sequence[Credential]]:
        """The user's name as it stands in the address, and the credentials."""
        try:
            local = Jid(name, self.domain).local or ""
        except ValueError:
            return name, ()
        return local, self.credentials(local)

    def salt(self, name: str) -> bytes:
        """SCRAM's salt for a user, known or not: always the same, so that it shows nothing."""
        return hashlib.sha256(f"{self.domain}\0{name.lower()}".encode()).digest()[:16]


@dataclass(frozen=True)
class Challenge:
    """The exchange goes on."""

    data: bytes


@dataclass(frozen=True)
class Success:
    """The user has proved a credential; `data` goes out with the success."""

    username: str
    label: str | None
    data: bytes | None = None


class Exchange(Protocol):
    """One attempt of a client to log in; `username` is who it says it is, as far as that is known."""

    username: str | None

    def respond(self, data: bytes) -> Challenge | Success:
        """Takes the client's next response. Raises SaslFailure."""


def begin(mechanism: Mechanism, users: Users) -> Exchange:
    """Begins an exchange."""
    if mechanism is Mechanism.PLAIN:
        return _Plain(users)
    return _Scram(mechanism, users)


def _not_authorized() -> SaslFailure:
    return SaslFailure(SaslCondition.NOT_AUTHORIZED, "there is no such user, or the password is wrong")


def _malformed() -> SaslFailure:
    return SaslFailure(SaslCondition.MALFORMED_REQUEST, "the SCRAM message is malformed or does not fit this exchange")


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SaslFailure(SaslCondition.MALFORMED_REQUEST, "the response is not UTF-8") from None


class _Plain:
    def __init__(self, users: Users) -> None:
        self.username: str | None = None
        self._users = users

    def respond(self, data: bytes) -> Challenge | Success:
        fields = _decode(data).split("\0")
        if len(fields) != 3:
            raise SaslFailure(SaslCondition.MALFORMED_REQUEST, "PLAIN has three fields")
        acting_as, name, password = fields
        self.username, credentials = self._users.find(name)
        if acting_as and acting_as.lower() not in {self.username, f"{self.username}@{self._users.domain}"}:
            raise SaslFailure(SaslCondition.INVALID_AUTHZID, "nobody may act as somebody else")
        try:
            given = prepared(password).encode()
        except ValueError:
            raise _not_authorized() from None
        for credential in credentials:
            if hmac.compare_digest(given, prepared(credential.password).encode()):
                return Success(self.username, credential.label)
        raise _not_authorized()


class _Scram:
    """Runs one exchange for each of the user's credentials, all with the same salt and nonce, side by side.

    One more runs with a random password: a user who is not known has only this one and fails as a wrong password does.
    """

    def __init__(self, mechanism: Mechanism, users: Users) -> None:
        self.username: str | None = None
        self._users = users
        self._mechanism = ScramMechanism(str(mechanism))
        self._nonce = secrets.token_hex(16)
        self._candidates: list[tuple[str | None, ScramServer]] = []

    def respond(self, data: bytes) -> Challenge | Success:
        message = _decode(data)
        return self._final(message) if self._candidates else self._first(message)

    def _first(self, message: str) -> Challenge:
        if message.partition(",")[2].startswith("a="):
            raise SaslFailure(SaslCondition.INVALID_AUTHZID, "nobody may act as somebody else")
        names: list[str] = []

        def nobody(name: str) -> tuple[bytes, bytes, bytes, int]:
            names.append(name)
            return self._keys(name, secrets.token_hex())

        decoy = self._mechanism.make_server(nobody, s_nonce=self._nonce)
        try:
            decoy.set_client_first(message)
        except ScramException as error:
            raise _malformed() from error
        answer = Challenge(str(decoy.get_server_first()).encode())
        self.username, credentials = self._users.find(names[0])
        for credential in credentials:
            keys = self._keys(names[0], credential.password)
            server = self._mechanism.make_server(lambda name, keys=keys: keys, s_nonce=self._nonce)
            server.set_client_first(message)
            server.get_server_first()
            self._candidates.append((credential.label, server))
        self._candidates.append((None, decoy))
        return answer

    def _keys(self, name: str, password: str) -> tuple[bytes, bytes, bytes, int]:
        salt, stored, server, iterations = self._mechanism.make_auth_info(
            password, iteration_count=self._users.iterations, salt=self._users.salt(name)
        )
        return salt, stored, server, iterations

    def _final(self, message: str) -> Success:
        for label, server in self._candidates:
            try:
                server.set_client_final(message)
            except ScramException as error:
                if error.server_error is not ServerError.INVALID_PROOF:
                    raise _malformed() from error
            else:
                return Success(self.username or "", label, str(server.get_server_final()).encode())
        raise _not_authorized()
