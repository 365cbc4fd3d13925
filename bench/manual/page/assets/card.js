// A card: controls that belong together, and what the bench said of the last thing that was done with them.

import { call } from "./api.js";
import { fresh, h, show } from "./dom.js";

const groups = new Set();
let locked = false;
let left = null; // what had the focus when the controls were locked

/** Locks all controls while time passes or the bench is away, and gives the focus back that this has cost. */
export function lock(wanted) {
  if (wanted === locked) return;
  locked = wanted;
  if (wanted) left = document.activeElement;
  for (const group of groups) group.disabled = wanted;
  if (!wanted && document.activeElement === document.body) left?.focus({ preventScroll: true });
}

/** Tells everybody, those who don't see the page too. */
export function announce(words, alarm = false) {
  document.getElementById(alarm ? "alarm" : "announcement").textContent = words;
}

export class Card {
  #said = h("p", { class: "said", hidden: true });
  #group;
  #running = false;

  /** `title` may be empty, for controls that need none; `name` is then what a screen reader calls them. */
  constructor(title, { name = title, level = "h3" } = {}, ...children) {
    this.#said.id = fresh("said");
    const properties = { class: "controls", "aria-label": name, "aria-describedby": this.#said.id };
    this.#group = h("fieldset", properties, ...children);
    this.#group.disabled = locked;
    groups.add(this.#group);
    this.element = h("div", { class: "card" }, title ? h(level, {}, title) : null, this.#group, this.#said);
  }

  /** Puts other controls in the place of those there are. */
  replace(...children) {
    this.#group.replaceChildren(...children.filter((child) => child !== null));
  }

  /** Shows one sentence; a trouble is read out at once. */
  say(words, trouble = false) {
    this.#said.textContent = words;
    this.#said.classList.toggle("trouble", trouble);
    show(this.#said, words !== "");
    if (words) announce(words, trouble);
  }

  /**
   * Has the bench do something. Returns its answer, as `call` does. `told` makes a sentence of the result, if there is
   * something to be said; one thing at a time, so what is pressed meanwhile is left alone.
   */
  async run(verb, parameters = {}, told = () => "") {
    if (this.#running) return { trouble: "" };
    this.#running = true;
    this.element.setAttribute("aria-busy", "true");
    this.say("");
    try {
      const answer = await call(verb, parameters);
      this.say(answer.trouble ?? told(answer.result), "trouble" in answer);
      return answer;
    } finally {
      this.#running = false;
      this.element.removeAttribute("aria-busy");
    }
  }

  /** A button that has the bench do something. */
  button(label, verb, parameters = () => ({}), told = undefined, kind = "") {
    const click = () => this.run(verb, parameters(), told);
    return h("button", { type: "button", class: kind, "data-verb": verb, click }, label);
  }

  /** A form whose button has the bench do something. */
  form(label, verb, parameters, ...children) {
    const submit = (event) => {
      event.preventDefault();
      this.run(verb, parameters());
    };
    return h("form", { novalidate: true, "data-verb": verb, submit },
      ...children, h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, label)));
  }
}

/** Calls `make` when what `of` gives for a snapshot differs from the time before. */
export function whenChanged(of, make) {
  let before;
  return (snapshot) => {
    const part = of(snapshot);
    const now = JSON.stringify(part);
    if (now === before) return;
    before = now;
    make(part, snapshot);
  };
}
