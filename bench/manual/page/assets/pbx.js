// The PBX: OMC, MMC, power, and its sets.

import { Card, whenChanged } from "./card.js";
import { field, h } from "./dom.js";
import { omc } from "./omc.js";
import { phone } from "./phone.js";

function power() {
  const card = new Card("Rainbow and power");
  const now = h("p", { class: "remark" });
  const button = (label, verb, parameters, told) => card.button(label, verb, () => parameters, () => told);
  card.replace(
    now,
    h("div", { class: "buttons" },
      button("Enable Rainbow by OMC", "oxo_enable", { way: "omc" }, "Rainbow was enabled by OMC."),
      button("Disable by OMC", "oxo_disable", { way: "omc" }, "Rainbow was disabled by OMC."),
      button("Enable by MMC", "oxo_enable", { way: "mmc" }, "Rainbow was enabled by MMC."),
      button("Disable by MMC", "oxo_disable", { way: "mmc" }, "Rainbow was disabled by MMC.")),
    h("div", { class: "buttons" },
      button("Warm restart", "oxo_restart", { kind: "warm" }, "The PBX was restarted warm."),
      button("Cold restart", "oxo_restart", { kind: "cold" }, "The PBX was restarted cold."),
      button("Power cut and back", "oxo_restart", { kind: "power" }, "The PBX lost its power and has it again."),
      button("Power off", "oxo_power_off", {}, "The PBX has no power.")));
  card.element.id = "power";
  return {
    card,
    update: whenChanged(({ oxo }) => [oxo.power, oxo.enabled], ([on, enabled]) => {
      now.textContent = on
        ? `The PBX is running; Rainbow is ${enabled ? "enabled" : "disabled"}.`
        : "The PBX has no power; a warm restart brings it back.";
    }),
  };
}

function sets() {
  const families = h("datalist", { id: "families" });
  const inputs = {
    number: h("input", { name: "number", inputmode: "numeric", autocomplete: "off" }),
    first_name: h("input", { name: "first_name", autocomplete: "off" }),
    last_name: h("input", { name: "last_name", autocomplete: "off" }),
    family: h("input", { name: "family", autocomplete: "off", list: "families", value: "8068s" }),
  };
  const card = new Card("Add a set");
  const values = () => Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value]));
  card.replace(card.form("Add", "oxo_add_set", values,
    h("div", { class: "two" },
      field("Number", inputs.number), field("Family", inputs.family),
      field("First name", inputs.first_name), field("Last name", inputs.last_name)), families));
  card.element.id = "sets";
  return {
    card,
    update: whenChanged(({ oxo }) => oxo.families, (names) => {
      families.replaceChildren(...names.map((name) => h("option", { value: name })));
    }),
  };
}

export function pbx() {
  return [omc(), phone(), power(), sets()];
}
