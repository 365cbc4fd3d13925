"""What the PBX's agent and the PCG say to each other above XMPP.

How the real ones say it is not public. These are the bench's own payloads, all in namespaces `urn:oxobench:*`, so that
nobody takes them for Rainbow's. Each module reads and writes one kind and does no I/O.
"""
