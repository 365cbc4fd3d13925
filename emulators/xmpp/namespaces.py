"""The XML namespaces of the specifications that this package speaks."""

from __future__ import annotations

from typing import Final

FRAMING: Final = "urn:ietf:params:xml:ns:xmpp-framing"  # RFC 7395
STREAMS: Final = "http://etherx.jabber.org/streams"  # RFC 6120, section 4.8.1
STREAM_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-streams"  # RFC 6120, section 4.9.2
SASL: Final = "urn:ietf:params:xml:ns:xmpp-sasl"  # RFC 6120, section 6
BIND: Final = "urn:ietf:params:xml:ns:xmpp-bind"  # RFC 6120, section 7
SESSION: Final = "urn:ietf:params:xml:ns:xmpp-session"  # RFC 3921, section 3; only to please older clients
CLIENT: Final = "jabber:client"  # RFC 6120, section 4.8.2
STANZA_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-stanzas"  # RFC 6120, section 8.3.2
PING: Final = "urn:xmpp:ping"  # XEP-0199
DISCO_INFO: Final = "http://jabber.org/protocol/disco#info"  # XEP-0030
PAGING: Final = "http://jabber.org/protocol/rsm"  # XEP-0059
XML: Final = "http://www.w3.org/XML/1998/namespace"  # the prefix xml
