// Tabs: one panel is shown, arrow keys go from tab to tab.

import { h, show } from "./dom.js";

/** Puts tabs into a place; `panels` are pairs of a name and the panel's elements. */
export function makeTabs(place, label, panels) {
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": label, keydown: move });
  const made = panels.map(([name, elements]) => {
    const id = name.toLowerCase().replaceAll(" ", "-");
    const [tabId, panelId] = [`tab-${id}`, `panel-${id}`];
    const click = () => select(id);
    const tab = h("button", { type: "button", role: "tab", id: tabId, "aria-controls": panelId, click }, name);
    const panel = h("div", { role: "tabpanel", id: panelId, "aria-labelledby": tabId, class: "panel" }, ...elements);
    list.append(tab);
    return { id, tab, panel };
  });
  place.append(list, ...made.map(({ panel }) => panel));

  function select(id) {
    for (const one of made) {
      const chosen = one.id === id;
      one.tab.setAttribute("aria-selected", String(chosen));
      one.tab.tabIndex = chosen ? 0 : -1;
      show(one.panel, chosen);
    }
    sessionStorage.setItem("tab", id);
  }

  function move(event) {
    const at = made.findIndex(({ tab }) => tab === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: made.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = made.at(to % made.length);
    select(next.id);
    next.tab.focus();
  }

  const last = sessionStorage.getItem("tab");
  select(made.some(({ id }) => id === last) ? last : made[0].id);
}
