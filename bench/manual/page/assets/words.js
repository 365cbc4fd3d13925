// Puts the state of the bench into words.

const STOPPED = {
  firewall: "Blocked at the firewall",
  proxy: "Stopped at the web proxy",
  dns: "A name is not resolved",
  pcg: "Not taken by the PCG",
};

// The link was last seen to be up at a look, and what ended it may have come a moment before the next one.
const SLACK = 2000; // milliseconds

/** The time of day of a moment in the device's time, with the date if it is not that of `now`. */
export function clock(moment, now = moment) {
  const [date, time = ""] = moment.split("T");
  const day = now.split("T")[0];
  return date === day ? time.slice(0, 8) : `${date} ${time.slice(0, 8)}`;
}

/** What has failed since the link is being tried; null while nothing has. */
export function failed({ link, attempt }) {
  if (link.state !== "trying" || !attempt) return null;
  return Date.parse(attempt.at) + SLACK < Date.parse(link.since) ? null : attempt;
}

/** How the link to Rainbow stands: a sentence, why that is so, and the tone `good`, `trying`, `bad` or `off`. */
export function headline(snapshot) {
  const { link, time } = snapshot;
  if (link.state === "down") return { text: "The PBX has no power", why: "", tone: "off" };
  if (link.state === "disabled") return { text: "Rainbow is disabled in the PBX", why: "", tone: "off" };
  if (link.state === "connected") {
    const how = link.via === "proxy" ? "through the proxy" : "directly";
    return { text: `Connected ${how} since ${clock(link.since, time)}`, why: "", tone: "good" };
  }
  const attempt = failed(snapshot);
  if (attempt === null) {
    const begun = link.shown === "" || link.shown.startsWith("Connecting");
    return { text: begun ? "Connecting to Rainbow" : "Not connected", why: "", tone: begun ? "trying" : "bad" };
  }
  const text = STOPPED[attempt.stopped] ?? "Not connected";
  return { text, why: `At ${clock(attempt.at, time)}: ${attempt.outcome}`, tone: "bad" };
}

/** What a screen reader says of the drawing. */
export function described(snapshot) {
  const { cloud, firewall, proxy } = snapshot;
  const dead = snapshot.nodes.filter((node) => node.state === "dead").map((node) => node.name);
  return [
    `${headline(snapshot).text}.`,
    `The firewall's policy is ${firewall.policy}, the web proxy is ${proxy.mode}.`,
    cloud.connected ? "Cloud Connect is connected." : "Cloud Connect is not connected.",
    cloud.tunnel ? `A VPN tunnel is open for ${cloud.tunnel.users.join(", ")}.` : "No VPN tunnel is open.",
    dead.length ? `Dead: ${dead.join(", ")}.` : "",
  ].join(" ");
}

/** A choice of the snapshot as name and title. */
export function choice(one) {
  return typeof one === "string" ? { name: one, title: "" } : one;
}
