// OMC's pages as forms.

import { call } from "./api.js";
import { Card, whenChanged } from "./card.js";
import { check, field, fresh, h } from "./dom.js";

// What of a page cannot be edited, and what is shown as stars (emulators/oxo/omc.py).
const SHOWN_ONLY = ["Connection status", "History"];
const SECRETS = ["Activation code", "Activation password", "Password"];

/** One page that is open: its fields, and what was written into them. */
class Page {
  #stored;
  #inputs = new Map();
  #readings = new Map();
  #reasons = new Map();

  constructor(shown) {
    this.#stored = shown;
    this.rows = Object.entries(shown).map(([name, value]) => this.#row(name, value));
  }

  #row(name, value) {
    if (SHOWN_ONLY.includes(name)) {
      const output = h("output", { class: "reading" }, String(value));
      this.#readings.set(name, output);
      return field(name, output);
    }
    const reason = h("small", { class: "reason", id: fresh("reason") });
    this.#reasons.set(name, reason);
    if (typeof value === "boolean") {
      const box = h("input", { type: "checkbox", name, checked: value, "aria-describedby": reason.id });
      this.#inputs.set(name, box);
      return h("div", { class: "field" }, check(name, box), reason);
    }
    const input = h("input", {
      name, value: String(value), autocomplete: "new-password", spellcheck: "false",
      type: SECRETS.includes(name) ? "password" : "text", "aria-describedby": reason.id,
    });
    this.#inputs.set(name, input);
    const row = field(name, input);
    row.append(reason);
    input.setAttribute("aria-describedby", reason.id);
    return row;
  }

  /** What was edited: OMC is told nothing else, and a secret that was left alone stays. */
  edited() {
    const values = {};
    for (const [name, input] of this.#inputs) {
      const value = input.type === "checkbox" ? input.checked : input.value;
      if (value !== (input.type === "checkbox" ? this.#stored[name] : String(this.#stored[name]))) values[name] = value;
    }
    return values;
  }

  /** The read-only lines as they are by now. */
  read(shown) {
    for (const [name, output] of this.#readings) output.textContent = String(shown[name] ?? "");
  }

  /** Shows by its field why a value was refused; false if the sentence names none. */
  refuse(sentence) {
    let refused = null;
    for (const [name, reason] of this.#reasons) {
      const input = this.#inputs.get(name);
      const mine = sentence.startsWith(`${name}: `);
      reason.textContent = mine ? sentence.slice(name.length + 2) : "";
      input.setAttribute("aria-invalid", String(mine));
      if (mine) refused = input;
    }
    refused?.focus();
    return refused !== null;
  }
}

/** The card of OMC. */
export function omc() {
  const pages = h("select", { name: "page" });
  const place = h("div", { class: "omc-page" });
  const card = new Card("OMC, Expert view");
  let open = null;

  async function show() {
    const name = pages.value;
    const answer = await card.run("oxo_page", { page: name });
    if (answer.trouble !== undefined) return;
    open = { name, page: new Page(answer.result) };
    const submit = (event) => {
      event.preventDefault();
      leave("OK");
    };
    const form = h("form", { novalidate: true, "aria-label": name, submit }, h("h4", {}, name), ...open.page.rows,
      h("div", { class: "buttons" },
        h("button", { type: "submit", class: "main" }, "OK"),
        h("button", { type: "button", click: () => leave("Cancel") }, "Cancel")));
    place.replaceChildren(form);
    form.querySelector("input")?.focus();
  }

  async function leave(button) {
    const { name, page } = open;
    const answer = await card.run("oxo_omc", { page: name, values: page.edited(), button });
    if (answer.trouble !== undefined) {
      if (page.refuse(answer.trouble)) card.say("");
      return;
    }
    open = null;
    place.replaceChildren();
    card.say(button === "OK" ? `${name}: committed.` : `${name}: left as it was.`);
    pages.focus();
  }

  async function reread() {
    if (!open) return;
    const { name, page } = open;
    const answer = await call("oxo_page", { page: name });
    if (answer.result) page.read(answer.result);
  }

  const choose = h("form", {
    novalidate: true, class: "line-of", submit: (event) => {
      event.preventDefault();
      show();
    },
  }, field("Page", pages), h("button", { type: "submit" }, "Open"));
  card.replace(choose, place);
  card.element.id = "omc";

  const fill = whenChanged(({ oxo }) => oxo.pages, (names) => {
    pages.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
  });
  const readings = whenChanged(({ link, cloud }) => [link.shown, cloud.connected, cloud.tunnel], reread);
  return {
    card,
    update(snapshot) {
      fill(snapshot);
      readings(snapshot);
    },
  };
}
