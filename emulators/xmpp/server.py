"""The server's side of a stream: lets a client open, authenticate and bind a resource, then exchanges stanzas."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from emulators.xmpp import sasl, sasl_server
from emulators.xmpp.conditions import SaslCondition, StreamCondition
from emulators.xmpp.element import DEFAULT_LIMITS, Element, Limits
from emulators.xmpp.events import Authenticated, AuthenticationFailed, Bound, StreamOpened
from emulators.xmpp.features import Features
from emulators.xmpp.framing import Open
from emulators.xmpp.jid import Jid
from emulators.xmpp.namespaces import BIND, SESSION
from emulators.xmpp.sasl import Credential, Mechanism, SaslFailure, strongest_first
from emulators.xmpp.sasl_server import Challenge, Success, Users
from emulators.xmpp.stanza import Condition, Iq, IqType, Stanza, StanzaError, read_stanza
from emulators.xmpp.stream import Stream, StreamState
from emulators.xmpp.stream_error import StreamError

_BIND = f"{{{BIND}}}bind"
_RESOURCE = f"{{{BIND}}}resource"
_JID = f"{{{BIND}}}jid"
_SESSION = f"{{{SESSION}}}session"


class ServerStream(Stream):
    """Serves one client of `domain`.

    `credentials` is asked for a user by name, in lower case; any of what it returns will do to log in, nothing means
    that there is no such user, and it may raise SaslFailure to refuse for a reason of its own. `tls` says whether the
    connection is protected: without, PLAIN is not offered. `iterations` is SCRAM's number of rounds; after `attempts`
    failures to log in the stream is ended. Raises ValueError when the settings make no sense.
    """

    def __init__(
        self,
        domain: str,
        credentials: Callable[[str], Sequence[Credential]],
        *,
        tls: bool,
        mechanisms: Sequence[Mechanism] = tuple(Mechanism),
        iterations: int = 4096,
        attempts: int = 3,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(limits)
        self._domain = Jid(None, domain).domain
        self._users = Users(self._domain, credentials, iterations)
        self._mechanisms = tuple(mechanisms)
        self._usable = strongest_first(mechanisms, tls=tls)
        if not self._usable:
            raise ValueError("no mechanism is left to offer: PLAIN needs TLS")
        if attempts < 1:
            raise ValueError("at least one attempt to log in must be allowed")
        self._attempts_left = attempts
        self._exchange: sasl_server.Exchange | None = None
        self._username: str | None = None

    def fail(self, condition: StreamCondition, text: str | None = None) -> None:
        """As any stream's; a server that has not opened its side yet does so first (RFC 7395, section 3.4)."""
        if self.state is StreamState.NEW:
            self._open()
        super().fail(condition, text)

    def _open(self) -> str:
        id_ = secrets.token_hex(8)
        self._put(Open(from_=self._domain, id=id_, language="en").to_element())
        return id_

    def _opening_states(self) -> frozenset[StreamState]:
        return frozenset({StreamState.NEW, StreamState.OPENING})

    def _opened(self, opening: Open) -> None:
        if opening.to is None:
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, "the stream must be opened to a domain")
        if opening.to.lower().removesuffix(".") != self._domain:
            raise StreamError(StreamCondition.HOST_UNKNOWN, "this domain is not served here")
        self._events.append(StreamOpened(self._open()))
        if self._username is None:
            self._put(Features(mechanisms=self._usable).to_element())
            self.state = StreamState.NEGOTIATING
        else:
            self._put(Features(bind=True).to_element())
            self.state = StreamState.BINDING

    def _take_other(self, element: Element) -> None:
        match self.state, element.tag:
            case StreamState.NEGOTIATING, sasl.AUTH:
                self._authenticate(element)
            case StreamState.AUTHENTICATING, sasl.RESPONSE | sasl.ABORT:
                self._authenticate(element)
            case StreamState.NEW, _:
                raise self._unexpected(element)
            case _, sasl.AUTH | sasl.RESPONSE | sasl.ABORT:
                raise StreamError(StreamCondition.POLICY_VIOLATION, "authentication has no place here now")
            case _:
                raise self._unexpected(element)

    def _authenticate(self, element: Element) -> None:
        try:
            step = self._step(element)
        except SaslFailure as failure:
            self._refuse_login(failure)
            return
        if isinstance(step, Challenge):
            self._put(sasl.carry(sasl.CHALLENGE, step.data or None))
            self.state = StreamState.AUTHENTICATING
        else:
            self._put(sasl.carry(sasl.SUCCESS, step.data))
            self._exchange = None
            self._username = step.username
            self._events.append(Authenticated(step.username, step.label))
            self.state = StreamState.OPENING

    def _step(self, element: Element) -> Challenge | Success:
        if element.tag == sasl.ABORT:
            raise SaslFailure(SaslCondition.ABORTED)
        data = sasl.carried(element)
        if element.tag == sasl.AUTH:
            self._exchange = sasl_server.begin(self._choose(element.get("mechanism")), self._users)
            if data is None:
                # No initial response: an empty challenge asks for it (RFC 6120, section 6.4.2).
                return Challenge(b"")
        assert self._exchange is not None
        return self._exchange.respond(data or b"")

    def _choose(self, name: str | None) -> Mechanism:
        if name in self._usable:
            return Mechanism(name)
        if name in self._mechanisms:
            raise SaslFailure(SaslCondition.ENCRYPTION_REQUIRED, f"{name} needs TLS")
        raise SaslFailure(SaslCondition.INVALID_MECHANISM, "this mechanism is not offered")

    def _refuse_login(self, failure: SaslFailure) -> None:
        username = None if self._exchange is None else self._exchange.username
        self._exchange = None
        self.state = StreamState.NEGOTIATING
        self._put(failure.to_element())
        self._events.append(AuthenticationFailed(failure.condition, failure.text, username))
        self._attempts_left -= 1
        if self._attempts_left <= 0:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many attempts to log in have failed")

    def _binding(self, element: Element) -> None:
        try:
            request = read_stanza(element)
        except StanzaError as error:
            self._refuse(element, error)
            return
        if not isinstance(request, Iq) or request.type is not IqType.SET or request.payload is None:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "a stanza came before the stream was bound")
        if request.payload.tag != _BIND:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "a stanza came before the stream was bound")
        try:
            jid = Jid(self._username, self._domain, request.payload.findtext(_RESOURCE) or secrets.token_hex(8))
        except ValueError as error:
            self._put(request.refuse(StanzaError(Condition.BAD_REQUEST, str(error))).to_element())
            return
        bound, address = Element(_BIND), Element(_JID)
        address.text = str(jid)
        bound.append(address)
        self._put(Iq(IqType.RESULT, request.id, bound).to_element())
        self.jid = jid
        self.state = StreamState.BOUND
        self._events.append(Bound(jid))

    def _admit(self, stanza: Stanza) -> Stanza | None:
        assert self.jid is not None
        if stanza.from_ not in {None, self.jid, self.jid.bare}:
            raise StreamError(StreamCondition.INVALID_FROM, "the sender's address is not the one that is bound")
        if isinstance(stanza, Iq) and stanza.type is IqType.SET and stanza.payload is not None:
            if stanza.payload.tag == _BIND:
                raise StreamError(StreamCondition.POLICY_VIOLATION, "a resource is bound already")
            if stanza.payload.tag == _SESSION:
                self._put(stanza.result().to_element())
                return None
        return replace(stanza, from_=self.jid)
