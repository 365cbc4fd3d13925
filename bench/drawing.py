"""Draws the site as an SVG picture, from the site plan: `python -m bench.drawing docs/site.svg` writes it.

The picture needs no fonts of its own and is readable on a light and on a dark page.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from bench.bench import PROXY_PORT
from bench.wire import LINK_PORT
from network.dns import PORT as DNS_PORT
from network.plan import DEFAULT_PLAN, Role, Segment, SitePlan, port_name
from network.wire.ike import IKE_PORT, NAT_PORT

WIDTH = 1120

_TITLES = {"lan": "Customer LAN", "wan": "Internet"}
"""What a segment is called in the picture; one that is not named here has its own name."""

_BOX = (184, 96)
"""Width and height of a node."""
_TOP, _ROW = 92, 132
"""The upper edge of the first row, and how far the next one is below it."""
_BAR = 66
"""Width of a segment."""
_LANE = 13
"""Distance between two connections that run side by side."""

_STYLE = """
text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", Arial, sans-serif; font-size: 14px; }
.title { font-size: 16px; font-weight: 600; } .small { font-size: 12.5px; } .code { font-size: 12px; }
.page { fill: #ffffff; } .zone { fill: #f3f5f8; stroke: #d0d7de; } .cable { fill: #dde3ea; }
.box { fill: #ffffff; stroke: #57606a; stroke-width: 1.5; } .ink { fill: #1f2328; } .faint { fill: #59636e; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.direct { stroke: #0969da; } .proxied { stroke: #bc4c00; } .names { stroke: #8250df; stroke-dasharray: 6 4; }
.tunnel { stroke: #1a7f37; stroke-width: 4; stroke-dasharray: 14 3 3 3; }
.head-direct { fill: #0969da; } .head-proxied { fill: #bc4c00; } .head-names { fill: #8250df; }
.head-tunnel { fill: #1a7f37; }
.tap { fill: #cf222e; stroke: #ffffff; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; } .zone { fill: #161b22; stroke: #30363d; } .cable { fill: #2b323b; }
.box { fill: #0d1117; stroke: #8b949e; } .ink { fill: #e6edf3; } .faint { fill: #9da7b1; }
.direct { stroke: #58a6ff; } .proxied { stroke: #f0883e; } .names { stroke: #bc8cff; }
.head-direct { fill: #58a6ff; } .head-proxied { fill: #f0883e; } .head-names { fill: #bc8cff; }
.tunnel { stroke: #3fb950; } .head-tunnel { fill: #3fb950; }
.tap { fill: #ff7b72; stroke: #0d1117; }
}
"""


@dataclass(frozen=True)
class Caption:
    """What stands in a node's box: its name for people, and what it is."""

    title: str
    what: str


_CAPTIONS = {
    Role.OXO: Caption("OXO Connect", "the PBX, with its agents"),
    Role.PROXY: Caption("Web proxy", "mitmproxy"),
    Role.FIREWALL: Caption("Firewall", "nftables, NAT"),
    Role.PCG: Caption("PCG", "agent.<domain>"),
    Role.CCI: Caption("CCI", "connection service"),
    Role.VPN: Caption("VPN gateway", "strongSwan, IKEv2"),
    Role.DNS: Caption("DNS server", "asked by PBX and proxy"),
}
"""The nodes, in the order in which they stand below each other."""


@dataclass(frozen=True, eq=False)
class Leg:
    """A connection's way over one segment, from the node that opens it; `kind` is how it is drawn.

    `arrives` says whether it ends at `other`; the firewall only passes it on.
    """

    kind: str
    opener: Role
    other: Role
    arrives: bool = True


_LEGS = (
    Leg("direct", Role.OXO, Role.FIREWALL, arrives=False),
    Leg("tunnel", Role.OXO, Role.FIREWALL, arrives=False),
    Leg("names", Role.OXO, Role.FIREWALL, arrives=False),
    Leg("proxied", Role.OXO, Role.PROXY),
    Leg("names", Role.PROXY, Role.FIREWALL, arrives=False),
    Leg("proxied", Role.PROXY, Role.FIREWALL, arrives=False),
    Leg("direct", Role.FIREWALL, Role.PCG),
    Leg("proxied", Role.FIREWALL, Role.PCG),
    Leg("direct", Role.FIREWALL, Role.CCI),
    Leg("proxied", Role.FIREWALL, Role.CCI),
    Leg("tunnel", Role.FIREWALL, Role.VPN),
    Leg("names", Role.FIREWALL, Role.DNS),
    Leg("names", Role.FIREWALL, Role.DNS),
)

_LEGEND = (
    ("direct", f"WSS links to Rainbow and to the CCI, direct: TCP {LINK_PORT}"),
    ("proxied", f"WSS links through the web proxy, if one is set: CONNECT on TCP {PROXY_PORT}, then TCP {LINK_PORT}"),
    ("tunnel", f"VPN tunnel, on demand, direct only: IKEv2 on UDP {IKE_PORT}, then IKEv2 and ESP in UDP {NAT_PORT}"),
    ("names", f"Names: DNS on UDP and TCP {DNS_PORT}"),
)


class Drawing:
    """A picture of a site of two segments and one node, the firewall, between them.

    Raises ValueError for a plan of another shape, or with a role that has no caption.
    """

    def __init__(self, plan: SitePlan) -> None:
        if len(plan.segments) != 2 or {node.role for node in plan.nodes} != set(_CAPTIONS):
            raise ValueError("only a site of two segments with one node of each role can be drawn")
        self._plan = plan
        self._left, self._right = plan.segments
        rows = max(len(self._outer(segment)) for segment in plan.segments)
        self._tall = rows * _ROW - (_ROW - _BOX[1])
        self._centre = {Role.FIREWALL: (WIDTH / 2, _TOP + self._tall / 2)}
        self._bar = {self._left.name: WIDTH / 2 - 226, self._right.name: WIDTH / 2 + 226}
        for segment, x in ((self._left, 122.0), (self._right, WIDTH - 122.0)):
            outer = self._outer(segment)
            pitch = rows * _ROW / len(outer)
            for row, role in enumerate(outer):
                self._centre[role] = (x, _TOP + self._tall / 2 + (row - (len(outer) - 1) / 2) * pitch)
        self._height = _TOP + self._tall + 64 + 26 * (len(_LEGEND) + 1)
        self._svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {WIDTH} {self._height}"})

    def svg(self) -> str:
        """The text of the SVG file."""
        SubElement(self._svg, "title").text = "The site: who stands where, and who talks to whom"
        SubElement(self._svg, "style").text = _STYLE
        self._rectangle("page", 0, 0, WIDTH, self._height)
        for segment in self._plan.segments:
            self._draw_segment(segment)
        for segment in self._plan.segments:
            for leg in self._legs(segment):
                self._draw_leg(segment, leg)
        for role in _CAPTIONS:
            self._draw_node(role)
        self._draw_legend()
        indent(self._svg)
        return tostring(self._svg, encoding="unicode") + "\n"

    def _outer(self, segment: Segment) -> list[Role]:
        """The nodes that stand on this segment only, from top to bottom."""
        return [role for role in _CAPTIONS if self._segments(role) == [segment.name]]

    def _segments(self, role: Role) -> list[str]:
        return [link.segment for link in self._plan.node(role).links]

    def _legs(self, segment: Segment) -> list[Leg]:
        outer = self._outer(segment)
        return [leg for leg in _LEGS if leg.opener in outer or leg.other in outer]

    def _lanes(self, segment: Segment, role: Role) -> int:
        """How many connections run side by side to a node."""
        return sum(role in (leg.opener, leg.other) for leg in self._legs(segment))

    def _toward_firewall(self, segment: Segment) -> int:
        return 1 if segment is self._left else -1

    def _draw_segment(self, segment: Segment) -> None:
        toward = self._toward_firewall(segment)
        edge = 16 if toward > 0 else WIDTH / 2 + 8
        self._rectangle("zone", edge, 16, WIDTH / 2 - 24, _TOP + self._tall + 8, rounding=10)
        title = _TITLES.get(segment.name, segment.name)
        self._text(f"{title} {segment.subnet}", edge + 18, 44, "title ink")
        x = self._bar[segment.name]
        self._rectangle("cable", x - _BAR / 2, _TOP - 16, _BAR, self._tall + 32, rounding=8)
        self._text(segment.name, x, _TOP - 26, "code faint", anchor="middle")
        for role in [*self._outer(segment), Role.FIREWALL]:
            side = toward if role is Role.FIREWALL else -toward
            start, y = x + side * _BAR / 2, self._centre[role][1]
            end = self._centre[role][0] - side * _BOX[0] / 2
            half = 10 + self._lanes(segment, role) * _LANE / 2
            self._rectangle("cable", min(start, end), y - half, abs(end - start), 2 * half)
            tap = start + side * 9
            SubElement(self._svg, "circle", {"class": "tap", "cx": f"{tap:g}", "cy": f"{y - half - 11:g}", "r": "5"})
            name = port_name(segment.name, self._plan.node(role).name)
            anchor = "start" if side > 0 else "end"
            self._text(name, tap + side * 10, y - half - 7, "code faint", anchor=anchor)

    def _draw_leg(self, segment: Segment, leg: Leg) -> None:
        toward = self._toward_firewall(segment)
        ends = [self._dock(segment, leg, role) for role in (leg.opener, leg.other)]
        (x0, y0), (x1, y1) = ends
        x = self._bar[segment.name] + toward * (1.5 - self._rank(segment, leg)) * _LANE
        points = " ".join(f"{a:g},{b:g}" for a, b in ((x0, y0), (x, y0), (x, y1), (x1, y1)))
        SubElement(self._svg, "polyline", {"class": f"line {leg.kind}", "points": points})
        if leg.arrives:
            back = 10 if x > x1 else -10
            head = f"{x1:g},{y1:g} {x1 + back:g},{y1 - 5:g} {x1 + back:g},{y1 + 5:g}"
            SubElement(self._svg, "polygon", {"class": f"head-{leg.kind}", "points": head})

    def _dock(self, segment: Segment, leg: Leg, role: Role) -> tuple[float, float]:
        """Where a leg leaves a node: beside the others on that side, those to upper nodes above those to lower ones."""
        x, y = self._centre[role]
        beside = sorted(
            (each for each in self._legs(segment) if role in (each.opener, each.other)),
            key=lambda each: self._centre[each.other if each.opener is role else each.opener][1],
        )
        side = 1 if self._bar[segment.name] > x else -1
        lane = next(number for number, each in enumerate(beside) if each is leg)
        return x + side * _BOX[0] / 2, y + (lane - (len(beside) - 1) / 2) * _LANE

    def _rank(self, segment: Segment, leg: Leg) -> int:
        """Where a leg runs in the bar, from the firewall's side: outer ones first, so that the fewest cross."""
        if Role.FIREWALL not in (leg.opener, leg.other):
            return 3
        down = self._leads_down(leg)
        passing = [each for each in self._legs(segment) if Role.FIREWALL in (each.opener, each.other)]
        beside = [each for each in passing if self._leads_down(each) == down]
        beside.sort(key=lambda each: self._dock(segment, each, Role.FIREWALL)[1], reverse=down)
        return next(number for number, each in enumerate(beside) if each is leg)

    def _leads_down(self, leg: Leg) -> bool:
        """Whether the node that a leg connects with the firewall stands below it."""
        node = leg.other if leg.opener is Role.FIREWALL else leg.opener
        return self._centre[node][1] > self._centre[Role.FIREWALL][1]

    def _draw_node(self, role: Role) -> None:
        x, y = self._centre[role]
        caption = _CAPTIONS[role]
        self._rectangle("box", x - _BOX[0] / 2, y - _BOX[1] / 2, *_BOX, rounding=8)
        self._text(caption.title, x, y - 24, "title ink", anchor="middle")
        self._text(caption.what, x, y - 5, "small faint", anchor="middle")
        links = self._plan.node(role).links
        for number, link in enumerate(links):
            self._text(str(link.address), x, y + 30 - 6 * len(links) + 16 * number, "code ink", anchor="middle")

    def _draw_legend(self) -> None:
        top = _TOP + self._tall + 58
        for number, (kind, text) in enumerate(_LEGEND):
            y = top + 26 * number
            SubElement(self._svg, "polyline", {"class": f"line {kind}", "points": f"30,{y} 68,{y}"})
            SubElement(self._svg, "polygon", {"class": f"head-{kind}", "points": f"78,{y} 68,{y - 5} 68,{y + 5}"})
            self._text(text, 92, y + 5, "ink")
        y = top + 26 * len(_LEGEND)
        SubElement(self._svg, "circle", {"class": "tap", "cx": "54", "cy": str(y), "r": "5"})
        self._text("The capture listens: it records each frame once, where it enters its segment", 92, y + 5, "ink")

    def _rectangle(self, kind: str, x: float, y: float, width: float, height: float, rounding: int = 0) -> None:
        measures = {"x": x, "y": y, "width": width, "height": height, "rx": rounding}
        SubElement(self._svg, "rect", {"class": kind, **{name: f"{value:g}" for name, value in measures.items()}})

    def _text(self, text: str, x: float, y: float, kind: str, anchor: str = "start") -> None:
        element = SubElement(self._svg, "text", {"class": kind, "x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor})
        element.text = text


def main(arguments: list[str]) -> int:
    """Writes the picture of the default plan to the file that is named; returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m bench.drawing FILE.svg", file=sys.stderr)
        return 2
    try:
        Path(arguments[0]).write_text(Drawing(DEFAULT_PLAN).svg(), encoding="utf-8")
    except OSError as error:
        print(f"{arguments[0]} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
