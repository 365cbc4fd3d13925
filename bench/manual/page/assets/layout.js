// Where the nodes of the site stand in the drawing, and how a connection runs between two of them.

const KINDS = ["rainbow", "cloud", "tunnel", "names"];
const LAN = ["oxo", "proxy"];

/** The corner of a box that is given by its centre. */
function corner([x, y], { width, height }) {
  return [x - width / 2, y - height / 2];
}

/** Side by side, as docs/site.svg: the LAN on the left, the firewall in the middle, the Internet on the right. */
export const WIDE = {
  width: 1120,
  height: 486,
  box: { width: 196, height: 84 },
  zones: [
    { name: "lan", x: 8, y: 8, width: 540, height: 470 },
    { name: "wan", x: 572, y: 8, width: 540, height: 470 },
  ],
  centres: {
    oxo: [116, 128], proxy: [116, 380], firewall: [560, 257],
    pcg: [1004, 96], cci: [1004, 203], vpn: [1004, 310], dns: [1004, 418],
  },
  corner(name) {
    return corner(this.centres[name], this.box);
  },
  cables() {
    const bars = [304, 752].map((x) => ({ x, y: 48, width: 64, height: 418 }));
    const tails = Object.entries(this.centres).flatMap(([name, [x, y]]) => {
      const half = name === "firewall" || LAN.includes(name) ? 36 : 14;
      const tail = (from, to) => ({ x: from, y: y - half, width: to - from, height: 2 * half });
      if (name === "firewall") return [tail(368, x - 98), tail(x + 98, 752)];
      return [LAN.includes(name) ? tail(x + 98, 304) : tail(816, x - 98)];
    });
    return [...bars, ...tails];
  },
  /** The points of a connection's way over one segment. */
  leg(kind, from, to) {
    const [x0, y0] = this.dock(kind, from, from === "proxy" ? "leaves" : "");
    const [x1, y1] = this.dock(kind, to, to === "proxy" ? "arrives" : "");
    const right = this.box.width / 2;
    const start = x0 + right;
    const end = to === "proxy" ? x1 + right : x1 - right;
    const x = this.bend(kind, from, to);
    return [[start, y0], [x, y0], [x, y1], [end, y1]];
  },
  /** Where a connection touches a node, as to height; what comes to the proxy arrives above what leaves it. */
  dock(kind, name, how) {
    const [x, y] = this.centres[name];
    if (how === "arrives") return [x, y + { cloud: -28, rainbow: -14 }[kind]];
    if (how === "leaves") return [x, y + { rainbow: 0, cloud: 14, names: 28 }[kind]];
    const shared = LAN.includes(name) || name === "firewall";
    return [x, y + (shared ? (KINDS.indexOf(kind) - 1.5) * 15 : 0)];
  },
  /** Where a connection turns in the segment, so that the fewest cross. */
  bend(kind, from, to) {
    const rank = KINDS.indexOf(kind);
    if (from === "firewall") return 784 + [-8, 8, 8, -8][rank];
    if (to === "proxy") return 336 + [-12, -24][rank];
    return 336 + (from === "oxo" ? [24, 14, 4, -10] : [2, 12, 0, 22])[rank];
  },
  /** The way through the firewall. */
  through(kind) {
    const [x, y] = this.dock(kind, "firewall", "");
    return [[x - this.box.width / 2, y], [x + this.box.width / 2, y]];
  },
  /** The bar that ends a blocked connection. */
  bar(points) {
    const [x, y] = points.at(-1);
    const off = points.at(-2)[0] < x ? -8 : 8;
    return [[x + off, y - 12], [x + off, y + 12]];
  },
};

/** One below the other, for a narrow screen: all connections run on the left of the nodes. */
export const NARROW = {
  width: 344,
  height: 566,
  box: { width: 264, height: 60 },
  zones: [
    { name: "lan", x: 2, y: 2, width: 340, height: 178 },
    { name: "wan", x: 2, y: 254, width: 340, height: 310 },
  ],
  centres: {
    oxo: [204, 66], proxy: [204, 142], firewall: [204, 217],
    pcg: [204, 318], cci: [204, 386], vpn: [204, 454], dns: [204, 522],
  },
  corner(name) {
    return corner(this.centres[name], this.box);
  },
  cables() {
    return [];
  },
  leg(kind, from, to) {
    const edge = this.centres[from][0] - this.box.width / 2;
    const x = 14 + KINDS.indexOf(kind) * 13;
    const [y0, y1] = [this.dock(kind, from, "leaves"), this.dock(kind, to, "arrives")];
    return [[edge, y0], [x, y0], [x, y1], [edge, y1]];
  },
  /** Where a connection touches a node, as to height: what leaves a node does so below what arrives there. */
  dock(kind, name, how) {
    const y = this.centres[name][1];
    const rank = KINDS.indexOf(kind);
    if (name === "oxo") return y + (rank - 1.5) * 12;
    if (name !== "proxy" && name !== "firewall") return y;
    return how === "arrives" ? y - 4 - rank * 7 : y + 4 + rank * 7;
  },
  through() {
    return [];
  },
  bar(points) {
    const [x, y] = points.at(-1);
    return [[x - 9, y - 11], [x - 9, y + 11]];
  },
};
