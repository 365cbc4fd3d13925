// The traffic: mitmweb, the capture, and where everything is kept.

import { Card, whenChanged } from "./card.js";
import { field, h, listed } from "./dom.js";

export function evidence() {
  const web = h("p", {});
  const places = h("dl", { class: "facts" });
  const path = h("input", { name: "path", autocomplete: "off", spellcheck: "false" });
  const card = new Card("Traffic and evidence");
  const saved = (where) => `The capture is complete up to now: ${where}`;
  const form = h("form", {
    novalidate: true, "data-verb": "capture_save", submit: (event) => {
      event.preventDefault();
      card.run("capture_save", path.value ? { path: path.value } : {}, saved);
    },
  }, field("Copy to", path, "Empty: bring the capture in the evidence folder up to date"),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, "Save the capture")));
  card.replace(web, places, form);
  card.element.id = "evidence";
  const update = whenChanged(({ mitmweb, capture, evidence: folder, fabric }) => ({ mitmweb, capture, folder, fabric }),
    ({ mitmweb, capture, folder, fabric }) => {
      const link = () => h("a", { href: mitmweb, target: "_blank", rel: "noopener noreferrer" }, "Open mitmweb");
      web.replaceChildren(...(mitmweb ? [link(), ", the web proxy's flows, live"] : ["mitmweb does not run."]));
      const facts = { Capture: capture, Evidence: folder, Fabric: fabric };
      places.replaceChildren(...listed(facts));
    });
  return [{ card, update }];
}
