"""The machine room: the site plan, the fabric that builds it, the firewall, the DNS node, the capture and its analysis.

Knows no emulator. What runs in a node is named by the bench as a `node.program.ProgramSpec`.
"""
