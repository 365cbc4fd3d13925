"""What the connection service of Cloud Connect and the PBX's connection agent say to each other above XMPP.

How the real ones say it is not public. These are the bench's own payloads, all in the namespace `urn:oxobench:cco:1`.
Each module reads and writes one kind and does no I/O.
"""

NAMESPACE = "urn:oxobench:cco:1"
