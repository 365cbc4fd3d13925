"""XMPP over WebSocket without I/O: bytes and sockets stay outside, text goes in, events and text come out.

RFC 6120 (streams, SASL, resource binding, stanzas), RFC 7395 (WebSocket framing), RFC 7622 (addresses), XEP-0199
(ping), XEP-0030 (disco), XEP-0059 (paging). Nothing here knows a socket, an event loop or a clock.
"""
