// Puts the page together.

import { Card, announce, lock, whenChanged } from "./card.js";
import { cloud } from "./cloud.js";
import { h, show } from "./dom.js";
import { makeDrawing } from "./drawing.js";
import { listen } from "./events.js";
import { evidence } from "./evidence.js";
import { network } from "./network.js";
import { passage } from "./passage.js";
import { pbx } from "./pbx.js";
import { rainbow } from "./rainbow.js";
import { makeTabs } from "./tabs.js";
import { TimeLine } from "./timeline.js";
import { headline } from "./words.js";

const at = (id) => document.getElementById(id);

let snapshot = null;
let received = 0;
let here = false;

/** The device's time by now: it runs on between two snapshots. */
function now() {
  const moment = Date.parse(`${snapshot.time.slice(0, 19)}Z`) + performance.now() - received;
  return new Date(moment).toISOString().slice(0, 19);
}

function tick() {
  if (snapshot === null) return;
  const moment = now();
  at("clock").textContent = moment.replace("T", " ");
  at("clock").dateTime = moment;
}

const state = whenChanged(
  (now) => ({ ...headline(now), shown: now.link.shown }),
  ({ text, tone, why, shown }) => {
    at("state").dataset.state = tone;
    if (at("headline").textContent !== text) announce(text);
    at("headline").textContent = text;
    at("why").textContent = why;
    at("shown").textContent = shown ? `The PBX shows: ${shown}` : "";
    document.title = `${text} · oxobench`;
  });

function dead() {
  const card = new Card("", { name: "What is dead" });
  at("dead").append(card.element);
  return whenChanged(
    ({ nodes }) => nodes.filter((node) => node.state === "dead").map((node) => node.why),
    (reasons) => {
      show(at("dead"), reasons.length > 0);
      if (reasons.length === 0) return;
      announce(reasons.join(" "), true);
      const told = (done) => (done ?? []).join(" ");
      card.replace(
        h("ul", {}, reasons.map((why) => h("li", {}, why))),
        h("div", { class: "buttons" }, card.button("Start again", "heal", () => ({}), told, "main")));
    });
}

const time = passage();
at("passage").append(time.card.element);
const timeline = new TimeLine(at("timeline"));
const tabs = Object.entries({
  Network: network(), PBX: pbx(), Rainbow: rainbow(), "Cloud Connect": cloud(), Evidence: evidence(),
});
makeTabs(at("controls"), "Controls", tabs.map(([name, parts]) => [name, parts.map(({ card }) => card.element)]));
const updates = [
  state, dead(), makeDrawing(at("drawing"), at("legend")), time.update,
  ...tabs.flatMap(([, parts]) => parts.map(({ update }) => update)),
];

listen({
  snapshot(told) {
    snapshot = told;
    received = performance.now();
    for (const update of updates) update(snapshot);
    lock(!here || snapshot.busy !== null);
    tick();
  },
  happening: (told) => timeline.add(told),
  gap: (missed) => timeline.gap(missed),
  begin: () => timeline.clear(),
  contact(wanted, words) {
    if (here !== (wanted === "here") || at("contact").textContent !== words) announce(words);
    here = wanted === "here";
    at("contact").dataset.state = wanted;
    at("contact").textContent = words;
    lock(!here || snapshot === null || snapshot.busy !== null);
  },
});
setInterval(tick, 500);
lock(true);
