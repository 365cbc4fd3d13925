// Letting the device's time pass.

import { Card } from "./card.js";
import { h } from "./dom.js";

const STEPS = [["1 s", 1], ["10 s", 10], ["1 min", 60], ["16 min", 960]];
const UNITS = { s: 1, min: 60, h: 3600 };

export function passage() {
  const value = h("input", {
    name: "amount", "aria-label": "Time to let pass", value: "2", size: "4", inputmode: "decimal", autocomplete: "off",
  });
  const units = Object.keys(UNITS).map((name) => h("option", { value: name }, name));
  const unit = h("select", { name: "unit", "aria-label": "Unit" }, units);
  unit.value = "min";
  const busy = h("p", { class: "busy", hidden: true });
  const card = new Card("", { name: "Let the device's time pass" });
  const submit = (event) => {
    event.preventDefault();
    const amount = Number(value.value.replace(",", "."));
    if (value.value.trim() === "" || !Number.isFinite(amount)) card.say("Time is let pass by a number.", true);
    else card.run("time_advance", { seconds: amount * UNITS[unit.value] });
  };
  card.replace(
    h("span", { class: "label" }, "Let pass"),
    h("div", { class: "buttons" },
      STEPS.map(([label, seconds]) => card.button(label, "time_advance", () => ({ seconds })))),
    h("form", { class: "amount", novalidate: true, submit }, value, unit, h("button", { type: "submit" }, "Pass")));
  card.element.id = "time";
  card.element.prepend(busy);
  return {
    card,
    update(snapshot) {
      busy.hidden = snapshot.busy === null;
      busy.textContent = snapshot.busy ? `The bench is ${snapshot.busy} …` : "";
    },
  };
}
