// Makes elements. Texts are always set as text, never as markup: names and failures come from the network.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null));
  return element;
}

/** An HTML element: attributes by name, listeners by event, then its children. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** An SVG element, likewise. */
export function s(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

let made = 0;

/** An identifier that no other element has. */
export function fresh(name) {
  made += 1;
  return `${name}-${made}`;
}

/** A field with its label above it, and an optional remark below. */
export function field(label, input, remark = "") {
  input.id ||= fresh("field");
  const note = remark ? h("small", { id: fresh("remark") }, remark) : null;
  if (note) input.setAttribute("aria-describedby", note.id);
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, note);
}

/** A check box with its label behind it. */
export function check(label, box) {
  return h("label", { class: "check" }, box, " ", label);
}

/** Names and values for a list of facts. */
export function listed(facts) {
  return Object.entries(facts).flatMap(([name, value]) => [h("dt", {}, name), h("dd", { class: "code" }, value)]);
}

/** Shows an element or hides it. */
export function show(element, wanted) {
  element.hidden = !wanted;
}
