// The site, drawn live: who is connected to whom and through what, what is blocked, the tunnel.

import { h, s } from "./dom.js";
import { NARROW, WIDE } from "./layout.js";
import { described, failed } from "./words.js";

const NARROW_BELOW = 600; // pixels

const CERTIFICATES = { right: "Rainbow" };
const CAPTIONS = {
  oxo: ["OXO Connect", () => "the PBX, with its agents"],
  proxy: ["Web proxy", ({ proxy }) => proxy.mode],
  firewall: ["Firewall", ({ firewall }) => firewall.policy],
  pcg: ["PCG", ({ rainbow }) => rainbow.fault?.kind ?? CERTIFICATES[rainbow.certificate] ?? rainbow.certificate],
  cci: ["CCI", () => "connection service"],
  vpn: ["VPN gateway", () => "strongSwan, IKEv2"],
  dns: ["DNS server", ({ dns }) => dns.mode],
};

const ZONES = { lan: "Customer LAN 192.168.92.0/24", wan: "Internet 198.51.100.0/24" };

const LEGEND = [
  ["direct", "WSS link, direct"],
  ["proxied", "WSS link through the web proxy"],
  ["tunnel", "VPN tunnel"],
  ["names", "DNS"],
  ["blocked", "Stopped here"],
];

/** One connection: what it is for, how it is drawn, the nodes it passes, and the node that stops it, if one does. */
function connections(snapshot) {
  const { link, proxy, cloud, oxo, nodes } = snapshot;
  const attempt = failed(snapshot);
  if (!oxo.power) return [];
  const up = Object.fromEntries(nodes.map((node) => [node.name, node.alive]));
  const way = (through, end) => (through ? ["oxo", "proxy", "firewall", end] : ["oxo", "firewall", end]);
  const found = [];
  const configured = proxy.used ? "proxy" : "direct";
  const proxied = (link.state === "connected" ? link.via : attempt?.via || configured) === "proxy";
  const style = proxied ? "proxied" : "direct";
  const names = proxied ? ["proxy", "firewall", "dns"] : ["oxo", "firewall", "dns"];
  if (link.state === "connected") {
    found.push({ kind: "names", style: "names", nodes: names });
    found.push({ kind: "rainbow", style, nodes: way(proxied, "pcg") });
  } else if (link.state === "trying") {
    const stopped = attempt?.stopped ?? null;
    if (stopped === "dns") {
      found.push({ kind: "names", style: "names", nodes: names, stopped });
    } else {
      found.push({ kind: "rainbow", style: `${style} trying`, nodes: way(proxied, "pcg"), stopped });
    }
  }
  if (cloud.connected) {
    found.push({ kind: "cloud", style: proxy.used ? "proxied" : "direct", nodes: way(proxy.used, "cci") });
  }
  if (cloud.tunnel) found.push({ kind: "tunnel", style: "tunnel", nodes: ["oxo", "firewall", "vpn"] });
  return found.filter((one) => one.stopped || one.nodes.every((name) => up[name] ?? true));
}

const points = (list) => list.map((point) => point.join(",")).join(" ");

function head(leg, style) {
  const [x, y] = leg.at(-1);
  const back = leg.at(-2)[0] < x ? -11 : 11;
  return s("polygon", { class: `head ${style}`, points: `${x},${y} ${x + back},${y - 6} ${x + back},${y + 6}` });
}

/** The parts of one connection that lie below the nodes' boxes, and those above them. */
function drawn(layout, { kind, style, nodes, stopped }) {
  const line = (list) => [
    kind === "tunnel" ? s("polyline", { class: "tube", points: points(list) }) : null,
    s("polyline", { class: `line ${style}`, points: points(list) }),
  ];
  const below = [];
  const above = [];
  for (let index = 1; index < nodes.length; index += 1) {
    const [from, to] = [nodes[index - 1], nodes[index]];
    const leg = layout.leg(kind, from, to);
    below.push(...line(leg));
    if (to === stopped) {
      above.push(s("polyline", { class: "bar", points: points(layout.bar(leg)) }));
      break;
    }
    if (to === "firewall") {
      above.push(s("polyline", { class: `line inner ${style}`, points: points(layout.through(kind)) }));
    } else {
      below.push(head(leg, style));
    }
  }
  return { below, above };
}

function box(layout, node, snapshot) {
  const [title, what] = CAPTIONS[node.name];
  const [x, y] = layout.corner(node.name);
  const { width, height } = layout.box;
  const words = node.state === "up" ? what(snapshot) : node.state === "dead" ? "ended" : "off";
  const text = (kind, dx, dy, anchor, content) =>
    s("text", { class: kind, x: x + dx, y: y + dy, "text-anchor": anchor }, content);
  const texts =
    layout === WIDE
      ? [
          text("title", width / 2, 28, "middle", title),
          text("what", width / 2, 48, "middle", words),
          text("code", width / 2, 69, "middle", node.address),
        ]
      : [
          text("title", 12, 26, "start", title),
          text("code", width - 12, 26, "end", node.address),
          text("what", 12, 47, "start", words),
        ];
  return s("g", { class: `node ${node.state}`, "data-node": node.name },
    s("rect", { class: "box", x, y, width, height, rx: 8 }), ...texts);
}

function draw(layout, snapshot) {
  const lines = connections(snapshot).map((connection) => drawn(layout, connection));
  const zone = ({ name, x, y, width, height }) => [
    s("rect", { class: "zone", x, y, width, height, rx: 10 }),
    layout === WIDE
      ? s("text", { class: "zone-title", x: x + 14, y: y + 28 }, ZONES[name])
      : s("text", { class: "zone-title", x: x + width - 10, y: y + 24, "text-anchor": "end" }, ZONES[name]),
  ];
  return s("svg", {
      viewBox: `0 0 ${layout.width} ${layout.height}`, role: "img", "aria-label": described(snapshot), class: "picture",
      "data-layout": layout === WIDE ? "wide" : "narrow",
    },
    ...layout.zones.flatMap(zone),
    ...layout.cables().map((cable) => s("rect", { class: "cable", rx: 6, ...cable })),
    ...lines.flatMap((line) => line.below),
    ...snapshot.nodes.map((node) => box(layout, node, snapshot)),
    ...lines.flatMap((line) => line.above));
}

/** Draws into a place; returns what is to be called with each snapshot. */
export function makeDrawing(place, legend) {
  let latest = null;
  let shown = "";
  const layout = () => (place.clientWidth < NARROW_BELOW ? NARROW : WIDE);

  function update(snapshot) {
    latest = snapshot;
    const { nodes, firewall, proxy, dns, link, attempt, rainbow, cloud, oxo } = snapshot;
    const key = JSON.stringify([
      layout() === WIDE, nodes, firewall.policy, proxy.mode, proxy.used, dns.mode, link.state, link.via, link.since,
      attempt, rainbow.fault, rainbow.certificate, cloud, oxo.power,
    ]);
    if (key === shown) return;
    shown = key;
    place.replaceChildren(draw(layout(), snapshot));
  }

  new ResizeObserver(() => latest && update(latest)).observe(place);
  for (const [kind, words] of LEGEND) {
    const line = (style, run) => s("polyline", { class: style, points: run });
    const sample = kind === "blocked"
      ? [line("line direct trying", "2,7 24,7"), line("bar", "26,0 26,14")]
      : [line(`line ${kind}`, "2,7 34,7")];
    legend.append(h("li", {}, s("svg", { viewBox: "0 0 36 14", "aria-hidden": "true" }, ...sample), words));
  }
  return update;
}
