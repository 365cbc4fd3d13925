// The time line: what has just happened, the newest on top.

import { fresh, h, show } from "./dom.js";

const ROWS = 500; // at most so many in the document
const KEPT = 2000; // at most so many in memory, for another filter
const QUIET = 1500; // milliseconds between two sentences that are read out

const MARKS = { ok: "✓", failed: "✗", info: "·" };
const NAMES = {
  dns: "DNS", tcp: "TCP", connect: "CONNECT", tls: "TLS", upgrade: "Upgrade", login: "Login", devices: "Devices",
  close: "Close", ike: "IKE", esp: "ESP", bench: "Bench", node: "Node",
};

function row(entry) {
  if (entry.missed) {
    return h("li", { class: "gap" }, `${entry.missed} happenings are missing here: they are no longer kept.`);
  }
  const way = entry.from && entry.to ? `${entry.from} → ${entry.to}` : entry.from || entry.to;
  return h("li", { class: `row ${entry.outcome}`, "data-id": entry.id },
    h("span", { class: "time code" }, entry.time),
    h("span", { class: "kind", "data-kind": entry.kind }, NAMES[entry.kind] ?? entry.kind),
    h("span", { class: "mark", role: "img", "aria-label": entry.outcome }, MARKS[entry.outcome] ?? ""),
    h("span", { class: "way code" }, way),
    h("span", { class: "text" }, entry.text));
}

/** Builds the time line into its section. */
export class TimeLine {
  #entries = [];
  #waiting = [];
  #paused = false;
  #frame = 0;
  #spoken = 0;
  #hidden = new Set();
  #rows = h("ol", { class: "rows", reversed: true, tabindex: "0", "aria-label": "Happenings, the newest first" });
  #empty = h("p", { class: "empty" }, "Nothing has happened yet.");
  #voice = h("p", { class: "unseen", "aria-live": "polite" });
  #pause = h("button", { type: "button", "aria-pressed": "false", click: () => this.#toggle() }, "Pause");

  constructor(place) {
    const filter = h("div", { class: "filter", role: "group", "aria-label": "Kinds of happenings that are shown" },
      Object.entries(NAMES).map(([kind, name]) => h("button", {
        type: "button", class: "chip", "aria-pressed": "true", "data-kind": kind,
        click: ({ currentTarget }) => this.#filter(kind, currentTarget),
      }, name)));
    place.append(
      h("div", { class: "bar-of-title" }, h("h2", { id: "timeline-title" }, "Time line"), this.#pause, filter),
      this.#empty, this.#rows, this.#voice);
    this.#rows.id = fresh("rows");
  }

  /** One more happening. */
  add(happening) {
    this.#waiting.push(happening);
    this.#plan();
  }

  /** So many happenings were missed here. */
  gap(missed) {
    this.add({ missed });
  }

  /** Forgets everything: another site begins. */
  clear() {
    this.#waiting = [];
    this.#entries = [];
    this.#rows.replaceChildren();
    show(this.#empty, true);
  }

  /** Shows what is waiting with the next frame, all at once; while paused it says how much that is. */
  #plan() {
    if (this.#waiting.length > KEPT) {
      const lost = this.#waiting.splice(0, this.#waiting.length - KEPT + 1);
      this.#waiting.unshift({ missed: lost.reduce((sum, entry) => sum + (entry.missed ?? 1), 0) });
    }
    if (this.#paused) {
      const happened = this.#waiting.reduce((sum, entry) => sum + (entry.missed ?? 1), 0);
      this.#pause.textContent = `Go on (${happened} new)`;
    } else if (!this.#frame) {
      // Not by requestAnimationFrame, which does not run in a tab that is not shown.
      this.#frame = setTimeout(() => this.#flush(), 50);
    }
  }

  #flush() {
    this.#frame = 0;
    if (this.#paused) return;
    const fresh = this.#waiting;
    this.#waiting = [];
    this.#entries = [...this.#entries, ...fresh].slice(-KEPT);
    const visible = fresh.filter((entry) => this.#wanted(entry)).slice(-ROWS);
    this.#rows.prepend(...visible.reverse().map(row));
    while (this.#rows.childElementCount > ROWS) this.#rows.lastElementChild.remove();
    show(this.#empty, this.#rows.childElementCount === 0);
    this.#speak(visible[0]);
  }

  #wanted(entry) {
    return !this.#hidden.has(entry.kind);
  }

  #filter(kind, button) {
    if (!this.#hidden.delete(kind)) this.#hidden.add(kind);
    button.setAttribute("aria-pressed", String(!this.#hidden.has(kind)));
    const visible = this.#entries.filter((entry) => this.#wanted(entry)).slice(-ROWS);
    this.#rows.replaceChildren(...visible.reverse().map(row));
    show(this.#empty, visible.length === 0);
  }

  #toggle() {
    this.#paused = !this.#paused;
    this.#pause.setAttribute("aria-pressed", String(this.#paused));
    this.#pause.textContent = this.#paused ? "Go on" : "Pause";
    if (!this.#paused) this.#flush();
  }

  /** Has a screen reader say the newest one, unless it has just said another. */
  #speak(entry) {
    const now = performance.now();
    if (!entry?.text || now - this.#spoken < QUIET) return;
    this.#spoken = now;
    this.#voice.textContent = entry.text;
  }
}
