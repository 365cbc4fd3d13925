// Cloud Connect: the PBX's permanent connection, and the VPN that is opened on demand.

import { Card, whenChanged } from "./card.js";
import { field, h } from "./dom.js";

export function cloud() {
  const now = h("p", {});
  const users = h("ul", { class: "users" });
  const user = h("input", { name: "user", value: "technician", autocomplete: "off" });
  const card = new Card("Cloud Connect and its VPN");
  card.replace(now, users,
    card.form("Open a VPN connection", "cloud_open", () => ({ user: user.value }), field("User", user)),
    h("div", { class: "buttons" }, card.button("Close the VPN", "cloud_close")));
  card.element.id = "cloud";
  const update = whenChanged((snapshot) => snapshot.cloud, ({ running, connected, tunnel, why }) => {
    const link = !running ? "The connection service is not running." : connected
      ? "The PBX is connected to the connection service." : "The PBX is not connected to the connection service.";
    const vpn = why ? `No VPN tunnel can be made here: ${why}` : tunnel
      ? `The VPN tunnel is open; the PBX's address in it is ${tunnel.address}. Its users:` : "No VPN tunnel is open.";
    now.textContent = `${link} ${vpn}`;
    users.replaceChildren(...(tunnel?.users ?? []).map((name) => h("li", {}, name)));
  });
  return [{ card, update }];
}
