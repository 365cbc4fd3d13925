"""The emulated PBX: an OXO Connect as far as Rainbow, OMC and MMC can see it."""
