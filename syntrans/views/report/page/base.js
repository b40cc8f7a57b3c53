"use strict";
// All text from outside (class names, statements, file names) is set as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, options = {}, ...children) {
  const { aria = {}, ...own } = options;
  const made = Object.assign(document.createElement(tag), own);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(name === "role" || name === "scope" ? name : `aria-${name}`, value);
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Words of somebody else: kept apart from the direction of the text around them.
const words = (text, className = "") => element("bdi", { textContent: text, className });
// Names with what is said of each, each name apart: a name from right to left would take our numbers with it.
const listed = (pairs) => element("span", {}, pairs.map(([name, said], i) => [i ? ", " : "", words(name), said]));
const asText = (pairs) => pairs.map(([name, said]) => `${name}${said}`).join(", ");
const button = (text, action, className = "") => {
  const made = element("button", { type: "button", textContent: text, className });
  made.addEventListener("click", action);
  return made;
};

const known = (value) => value !== null && value !== undefined;
const decimal = (thousandths, digits = 2) => (known(thousandths) ? (thousandths / 1000).toFixed(digits) : "–");
const fixed = (value, digits = 2) => (known(value) ? value.toFixed(digits) : "–");
const signed = (value, digits = 2) => (known(value) ? `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}` : "");
const count = (value) => value.toLocaleString("en");
const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "–");
const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

let lastId = 0;
const freshId = (name) => `${name}-${++lastId}`;

function announce(text) {
  document.getElementById("status").textContent = text;
}

function save(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function labelled(label, control) {
  control.id ||= freshId("field");
  return element("p", { className: "field" }, element("label", { htmlFor: control.id, textContent: label }), control);
}

function choice(label, options, value, changed) {
  const made = element("select", {}, options.map(([key, text]) => element("option", { value: key, textContent: text })));
  made.value = value;
  made.addEventListener("change", () => changed(made.value));
  return labelled(label, made);
}

function section(level, title, ...children) {
  const id = freshId("section");
  const heading = element(`h${level}`, { id, tabIndex: -1 }, words(title));
  // A landmark for each run, and not for each of its sections, whose names they share.
  return element("section", level === 2 ? { aria: { labelledby: id } } : {}, heading, ...children);
}

// A table is wider than a phone: it scrolls alone, also by keyboard.
function scrolling(label, content) {
  return element("div", { className: "scroll", tabIndex: 0, aria: { role: "region", label } }, content);
}

function pairs(list) {
  return element("dl", { className: "pairs" }, list.map(([label, text]) => [element("dt", { textContent: label }), element("dd", {}, typeof text === "string" ? words(text) : text)]));
}

function folded(title, ...children) {
  return element("details", { className: "folded" }, element("summary", { textContent: title }), ...children);
}

function provenance(part) {
  const parts = [pairs(part.facts)];
  if (part.config) parts.push(folded("Configuration", scrolling("Configuration", element("pre", { textContent: part.config }))));
  return section(3, "Where it comes from", ...parts);
}

function notShown(part) {
  return section(3, "What this does not show", element("ul", {}, part.limits.map((line) => element("li", {}, words(line)))));
}
