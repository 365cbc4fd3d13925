// A desk phone's display with its keys: MMC in an administrator session.

import { Card } from "./card.js";
import { field, h, show } from "./dom.js";

const LINES = 4;
const COLUMNS = 32;

export function phone() {
  const display = h("pre", { class: "display", role: "status", "aria-label": "The phone's display" });
  const keys = h("div", { class: "keys", role: "group", "aria-label": "The phone's keys" });
  const text = h("input", { type: "password", name: "text", autocomplete: "new-password" });
  const open = () => go("mmc_open");
  const begin = h("button", { type: "button", class: "main", click: open }, "Begin an administrator session");
  const end = h("button", { type: "button", click: () => paint(null) }, "Hang up");
  const typing = h("form", { novalidate: true, class: "line-of", submit: typed },
    field("Administrator password", text, "kilo1987, unless the PBX was given another"),
    h("button", { type: "submit" }, "Type, then OK"));
  const card = new Card("MMC on a phone", {}, h("div", { class: "phone" }, display, keys), typing,
    h("div", { class: "buttons" }, begin, end));
  card.element.id = "phone";

  function paint(shown) {
    const lines = shown?.display ?? [];
    display.textContent = Array.from({ length: LINES }, (_, row) => (lines[row] ?? "").padEnd(COLUMNS)).join("\n");
    const live = Boolean(shown) && !shown.closed;
    const focused = keys.contains(document.activeElement) || document.activeElement === begin;
    keys.replaceChildren(...(live ? shown.keys : []).map((key) =>
      h("button", { type: "button", class: "key", "data-key": key, click: () => go("mmc_press", { key }) }, key)));
    const asked = live && lines.some((line) => line.startsWith("Password:") || line.startsWith("Wrong:"));
    show(typing, asked);
    show(begin, !live);
    show(end, live);
    if (asked) text.focus();
    else if (focused || text.value) (keys.firstElementChild ?? begin).focus();
    text.value = "";
  }

  async function go(verb, parameters = {}) {
    const answer = await card.run(verb, parameters);
    if (answer.trouble === undefined) paint(answer.result);
    else if (answer.trouble && verb !== "mmc_type") paint(null);
    return answer;
  }

  async function typed(event) {
    event.preventDefault();
    const answer = await card.run("mmc_type", { text: text.value });
    if (answer.trouble === undefined) await go("mmc_press", { key: "OK" });
  }

  paint(null);
  return { card, update() {} };
}
