"""The client's side of a stream: opens, authenticates, binds a resource, then exchanges stanzas."""

from __future__ import annotations

from collections.abc import Sequence

from emulators.xmpp import features, sasl, sasl_client
from emulators.xmpp.conditions import SaslCondition, StreamCondition
from emulators.xmpp.element import DEFAULT_LIMITS, Element, Limits
from emulators.xmpp.events import Authenticated, AuthenticationFailed, Bound, StreamFailed, StreamOpened
from emulators.xmpp.features import Features
from emulators.xmpp.framing import Open
from emulators.xmpp.jid import Jid
from emulators.xmpp.namespaces import BIND
from emulators.xmpp.sasl import Mechanism, SaslFailure, prepared, strongest_first
from emulators.xmpp.stanza import Iq, IqType, Stanza, StanzaError, read_stanza
from emulators.xmpp.stream import Stream, StreamState
from emulators.xmpp.stream_error import StreamError

_BIND = f"{{{BIND}}}bind"
_RESOURCE = f"{{{BIND}}}resource"
_JID = f"{{{BIND}}}jid"
_BIND_ID = "bind"


class ClientStream(Stream):
    """Logs in as `username` at `domain` with the strongest of `mechanisms` that the server offers too.

    `tls` says whether the connection is protected: without, PLAIN is not used. `resource` None lets the server choose.
    Raises ValueError when a name or the password holds what it must not.
    """

    def __init__(
        self,
        domain: str,
        username: str,
        password: str,
        *,
        resource: str | None = None,
        tls: bool,
        mechanisms: Sequence[Mechanism] = (Mechanism.SCRAM_SHA_256, Mechanism.PLAIN),
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(limits)
        # SCRAM prepares the name by SASLprep, which may leave nothing of it or something that is no name.
        account = Jid(prepared(username, "user name"), domain, resource)
        prepared(password)
        self._domain = account.domain
        self._username = username
        self._password = password
        self._resource = account.resource
        self._tls = tls
        self._mechanisms = tuple(mechanisms)
        self._exchange: sasl_client.Exchange | None = None
        self._authenticated = False

    def start(self) -> None:
        """Opens the stream; once, when the WebSocket is open."""
        if self.state is not StreamState.NEW:
            raise ValueError("the stream was started before")
        self._open()

    def _open(self) -> None:
        self._put(Open(to=self._domain).to_element())
        self.state = StreamState.OPENING

    def _opening_states(self) -> frozenset[StreamState]:
        return frozenset({StreamState.OPENING})

    def _opened(self, opening: Open) -> None:
        self.state = StreamState.NEGOTIATING
        self._events.append(StreamOpened(opening.id))

    def _take_other(self, element: Element) -> None:
        match self.state, element.tag:
            case StreamState.NEGOTIATING, features.FEATURES:
                offered = Features.from_element(element)
                if self._authenticated:
                    self._bind(offered)
                else:
                    self._authenticate(offered)
            case StreamState.AUTHENTICATING, sasl.CHALLENGE | sasl.SUCCESS | sasl.FAILURE:
                self._take_sasl(element)
            case _, features.FEATURES | sasl.CHALLENGE | sasl.SUCCESS | sasl.FAILURE:
                raise StreamError(StreamCondition.POLICY_VIOLATION, "the server sent this at the wrong moment")
            case _:
                raise self._unexpected(element)

    def _authenticate(self, offered: Features) -> None:
        common = set(self._mechanisms) & set(offered.mechanisms)
        usable = strongest_first(common, tls=self._tls)
        if not usable:
            condition = SaslCondition.ENCRYPTION_REQUIRED if common else SaslCondition.INVALID_MECHANISM
            names = ", ".join(offered.mechanisms) or "none"
            self._give_up(SaslFailure(condition, f"none of the server's mechanisms can be used (it offers {names})"))
            return
        self._exchange = sasl_client.begin(usable[0], self._username, self._password)
        auth = sasl.carry(sasl.AUTH, self._exchange.first())
        auth.set("mechanism", usable[0])
        self._put(auth)
        self.state = StreamState.AUTHENTICATING

    def _take_sasl(self, element: Element) -> None:
        assert self._exchange is not None
        try:
            match element.tag:
                case sasl.CHALLENGE:
                    response = self._exchange.answer(sasl.carried(element) or b"")
                    self._put(sasl.carry(sasl.RESPONSE, response or None))
                case sasl.SUCCESS:
                    self._exchange.finish(sasl.carried(element))
                    self._authenticated = True
                    self._events.append(Authenticated(self._username))
                    self._open()
                case _:
                    raise SaslFailure.from_element(element)
        except SaslFailure as failure:
            if element.tag == sasl.CHALLENGE:
                self._put(Element(sasl.ABORT))
            self._give_up(failure)

    def _give_up(self, failure: SaslFailure) -> None:
        self._events.append(AuthenticationFailed(failure.condition, failure.text, self._username))
        self.close()

    def _bind(self, offered: Features) -> None:
        if not offered.bind:
            raise StreamError(StreamCondition.UNSUPPORTED_FEATURE, "the server does not offer to bind a resource")
        bind = Element(_BIND)
        if self._resource is not None:
            resource = Element(_RESOURCE)
            resource.text = self._resource
            bind.append(resource)
        self._put(Iq(IqType.SET, _BIND_ID, bind).to_element())
        self.state = StreamState.BINDING

    def _binding(self, element: Element) -> None:
        if element.get("id") != _BIND_ID:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "a stanza came before the stream was bound")
        try:
            answer = read_stanza(element)
        except StanzaError as error:
            raise StreamError(StreamCondition.INVALID_XML, f"the answer to the binding is wrong: {error}") from error
        if not isinstance(answer, Iq) or answer.type in {IqType.GET, IqType.SET}:
            raise StreamError(StreamCondition.INVALID_XML, "the answer to the binding is not an answer")
        if answer.error is not None:
            reason = f"the server refused to bind a resource: {answer.error}"
            self._events.append(StreamFailed(StreamCondition.UNDEFINED_CONDITION, reason, from_peer=True))
            self._end()
            return
        text = None if answer.payload is None else answer.payload.findtext(_JID)
        try:
            self.jid = Jid.parse(text or "")
        except ValueError as error:
            raise StreamError(StreamCondition.INVALID_XML, f"the bound address is wrong: {error}") from error
        self.state = StreamState.BOUND
        self._events.append(Bound(self.jid))

    def _admit(self, stanza: Stanza) -> Stanza:
        return stanza
