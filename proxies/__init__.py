"""The customer's web proxy: a real mitmproxy on the node's own event loop, with the ways in which such proxies differ.

Each mode is one small mitmproxy addon. Nothing here knows the network it stands in, nor what travels through it.
"""
