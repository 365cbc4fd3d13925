// Firewall, web proxy and DNS server.

import { Card, whenChanged } from "./card.js";
import { check, field, fresh, h, show } from "./dom.js";
import { choice } from "./words.js";

/** Radio buttons, each with what it means; `chosen()` is the one that is marked. */
class Choices {
  #name = fresh("choice");
  element;

  constructor(label, changed = () => {}) {
    this.element = h("div", { class: "choices", role: "radiogroup", "aria-label": label, change: changed });
  }

  fill(choices, current) {
    const focused = this.element.contains(document.activeElement);
    this.element.replaceChildren(...choices.map(choice).map(({ name, title }) => {
      const note = h("small", { id: fresh("what") }, title);
      const input = h("input", {
        type: "radio", name: this.#name, value: name, checked: name === current, "aria-describedby": note.id,
      });
      const mark = name === current ? h("span", { class: "now" }, "now") : null;
      return h("label", { class: "choice" }, input, h("span", { class: "words" }, h("b", {}, name), mark, note));
    }));
    if (focused) this.element.querySelector(":checked")?.focus();
  }

  chosen() {
    return this.element.querySelector(":checked")?.value;
  }
}

function firewall() {
  const choices = new Choices("Policy");
  const cut = h("input", { type: "checkbox", name: "cut" });
  const card = new Card("Firewall");
  card.replace(card.form("Set policy", "firewall", () => ({ policy: choices.chosen(), cut: cut.checked }),
    choices.element, check("Cut established connections too", cut)));
  card.element.id = "firewall";
  return { card, update: whenChanged(({ firewall: now }) => now, (now) => choices.fill(now.policies, now.policy)) };
}

const PARAMETERS = {
  authenticating: ["account", "password"],
  "idle-cut": ["idle"],
  slow: ["delay"],
};

function proxy() {
  const inputs = {
    account: h("input", { name: "account", autocomplete: "off", spellcheck: "false" }),
    password: h("input", { name: "password", type: "password", autocomplete: "new-password" }),
    idle: h("input", { name: "idle", inputmode: "decimal", placeholder: "60" }),
    delay: h("input", { name: "delay", inputmode: "decimal", placeholder: "10" }),
  };
  const fields = {
    account: field("Account", inputs.account),
    password: field("Password", inputs.password),
    idle: field("Cut after so many silent seconds", inputs.idle),
    delay: field("Answer CONNECT after so many seconds", inputs.delay),
  };
  const wanted = () => PARAMETERS[choices.chosen()] ?? [];
  const fit = () => Object.entries(fields).forEach(([name, element]) => show(element, wanted().includes(name)));
  const choices = new Choices("Mode", fit);
  const cut = h("input", { type: "checkbox", name: "cut" });
  const used = h("p", { class: "remark" });
  const card = new Card("Web proxy");
  const parameters = () => {
    const given = { mode: choices.chosen(), cut: cut.checked };
    for (const name of wanted()) {
      const text = inputs[name].value;
      if (text !== "") given[name] = name === "idle" || name === "delay" ? number(text) : text;
    }
    return given;
  };
  card.replace(used, card.form("Set mode", "proxy", parameters, choices.element, ...Object.values(fields),
    check("Cut what is established through it too", cut)),
    h("div", { class: "buttons" },
      card.button("Restart the proxy", "proxy_restart", () => ({}), () => "The web proxy was restarted.")));
  card.element.id = "proxy";
  const fill = whenChanged(({ proxy: now }) => [now.modes, now.mode], ([modes, mode]) => {
    choices.fill(modes, mode);
    fit();
  });
  return {
    card,
    update(snapshot) {
      const { proxy: now } = snapshot;
      fill(snapshot);
      used.textContent = !now.used
        ? "The PBX is not configured to use it (OMC, page Web proxy)."
        : `The PBX is configured to use it, ${now.account ? `with the account ${now.account}` : "without an account"}.`;
    },
  };
}

/** A number as it was written; what is none goes to the bench as it is, which says what is wrong with it. */
export function number(text) {
  const value = Number(text.replace(",", "."));
  return Number.isFinite(value) ? value : text;
}

function dns() {
  const choices = new Choices("What it does with every query");
  const card = new Card("DNS server");
  card.replace(card.form("Set behaviour", "dns", () => ({ mode: choices.chosen() }), choices.element));
  card.element.id = "dns";
  return { card, update: whenChanged(({ dns: now }) => now, (now) => choices.fill(now.modes, now.mode)) };
}

/** Everything between the PBX and the Internet. */
export function network() {
  return [firewall(), proxy(), dns()];
}
