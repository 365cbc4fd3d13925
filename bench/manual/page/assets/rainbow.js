// Rainbow: the PBX as the PCG knows it, its devices, and what can be made wrong there.

import { Card, whenChanged } from "./card.js";
import { field, h, listed, show } from "./dom.js";
import { number } from "./network.js";
import { choice, clock } from "./words.js";

const NONE = "none";

function record() {
  const list = h("dl", { class: "facts" });
  const card = new Card("The PBX in Rainbow");
  card.replace(list, h("div", { class: "buttons" },
    card.button("Retrieve devices", "rainbow_retrieve"),
    card.button("Reset in Rainbow", "rainbow_reset", () => ({}),
      (code) => `The new activation code is ${code}: enter it in OMC.`)));
  card.element.id = "record";
  const update = whenChanged(
    ({ rainbow: { pbx_id, portal_state, life_cycle, channels, activation_code } }) =>
      ({ pbx_id, portal_state, life_cycle, channels, activation_code }),
    (now) => {
      const facts = {
        State: now.portal_state,
        "Life cycle": now.life_cycle,
        Channels: now.channels.join(", ") || "none",
        "PBX ID": now.pbx_id,
        "Activation code": now.activation_code,
      };
      list.replaceChildren(...listed(facts));
    });
  return { card, update };
}

function faults() {
  const kinds = h("select", { name: "kind", change: fit });
  const value = h("input", { name: "value", inputmode: "numeric", autocomplete: "off" });
  const hint = h("small", {});
  const valued = field("Value", value);
  valued.append(hint);
  const certificates = h("select", { name: "certificate" });
  const code = h("input", { name: "code", inputmode: "numeric", value: "1001", autocomplete: "off" });
  let hints = {};

  function fit() {
    hint.textContent = hints[kinds.value] ?? "";
    show(valued, Boolean(hints[kinds.value]));
  }

  const card = new Card("Faults of the PCG");
  const fault = () => {
    if (kinds.value === NONE) return { kind: null };
    return hints[kinds.value] ? { kind: kinds.value, value: number(value.value) } : { kind: kinds.value };
  };
  card.replace(
    card.form("Set fault", "rainbow_fault", fault, field("Fault", kinds), valued),
    card.form("Show this certificate", "rainbow_certificate", () => ({ kind: certificates.value }),
      field("Certificate", certificates)),
    card.form("Close the WebSocket", "rainbow_drop", () => ({ code: number(code.value) }), field("Close code", code)));
  card.element.id = "faults";
  const fill = whenChanged(({ rainbow }) => [rainbow.faults, rainbow.fault], ([all, now]) => {
    hints = Object.fromEntries(all.map((one) => [one.kind, one.value_hint]));
    kinds.replaceChildren(...[NONE, ...all.map((one) => one.kind)].map((kind) => h("option", { value: kind }, kind)));
    kinds.value = now?.kind ?? NONE;
    value.value = now?.value ?? "";
    fit();
  });
  const show_certificates = whenChanged(({ rainbow }) => [rainbow.certificates, rainbow.certificate], ([all, now]) => {
    certificates.replaceChildren(...all.map(choice).map(({ name, title }) =>
      h("option", { value: name }, title ? `${name}: ${title}` : name)));
    certificates.value = now;
  });
  return {
    card,
    update(snapshot) {
      fill(snapshot);
      show_certificates(snapshot);
    },
  };
}

function devices() {
  const summary = h("p", { class: "remark", id: "devices-summary" });
  const body = h("tbody");
  const table = h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Devices as Rainbow has them" },
    h("table", {},
      h("thead", {}, h("tr", {}, ["Number", "Name", "Family", "Set"].map((name) => h("th", { scope: "col" }, name)),
        h("th", {}, h("span", { class: "unseen" }, "Remove")))),
      body));
  const card = new Card("Devices, as Rainbow has them", {}, summary, table);
  card.element.id = "devices";

  function row(device) {
    const remove = card.button("Remove", "oxo_remove_set", () => ({ id: device.id }),
      () => `The PBX has no set ${device.number} of ${device.name} any more.`, "small");
    remove.setAttribute("aria-label", `Remove ${device.number}, ${device.name}, at the PBX`);
    return h("tr", { "data-id": device.id },
      h("td", { class: "code" }, device.number), h("td", {}, device.name), h("td", {}, device.family),
      h("td", {}, device.rank), h("td", {}, remove));
  }

  return {
    card,
    update: whenChanged(({ rainbow: { devices: list, retrievals, retrieved } }) => ({ list, retrievals, retrieved }),
      ({ list, retrievals, retrieved }, { time }) => {
        const last = retrieved ? `, the last at ${clock(retrieved, time)}` : "";
        summary.textContent = `${list.length} devices; ${retrievals} retrievals${last}.`;
        body.replaceChildren(...list.map(row));
      }),
  };
}

export function rainbow() {
  return [record(), devices(), faults()];
}
