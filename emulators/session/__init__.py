"""One XMPP session over one WebSocket connection, for either side: the PBX's agent and the PCG both stand on it."""
