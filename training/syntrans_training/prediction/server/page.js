"use strict";
// All text from outside (file names, class names, descriptors) is set as text, never as HTML.

const at = (id) => document.getElementById(id);
const pictures = []; // {file, url, answer, kept, open}, in the order in which they came
let task = null;
let work = Promise.resolve(); // one request at a time, in the order of the clicks

function element(tag, options = {}, ...children) {
  const made = Object.assign(document.createElement(tag), options);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function say(text, bad = false) {
  at("status").textContent = text;
  at("status").className = bad ? "bad" : "";
}

async function call(path, form) {
  const reply = await fetch(path, form ? { method: "POST", body: form } : {});
  const found = await reply.json().catch(() => ({}));
  if (!reply.ok) {
    throw new Error(typeof found.detail === "string" ? found.detail : `the server answered ${reply.status}`);
  }
  return found;
}

function inTurn(step) {
  work = work.then(step).catch((error) => {
    const lost = error instanceof TypeError; // what fetch raises where nobody answers
    say(lost ? "The server does not answer; start syntrans serve again." : error.message, true);
  });
  return work;
}

function requests(given) {
  // As few requests as the limits allow: pictures of one request are named together.
  const parts = [[]];
  let bytes = 0;
  for (const picture of given) {
    const full = parts.at(-1).length === task.limits.files || bytes + picture.file.size > task.limits.bytes;
    if (full && parts.at(-1).length) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1).push(picture);
    bytes += picture.file.size;
  }
  return parts;
}

async function predict(given) {
  let done = 0;
  for (const part of requests(given)) {
    say(`Naming ${done + 1} to ${done + part.length} of ${given.length} …`);
    const form = new FormData();
    part.forEach((picture) => form.append("files", picture.file));
    const { answers } = await call("/predict", form);
    part.forEach((picture, i) => { picture.answer = answers[i]; });
    done += part.length;
    show();
  }
  const count = (status) => pictures.filter((picture) => picture.answer?.status === status).length;
  const kinds = ["named", "unsure", "none of these", "broken"].map((status) => `${count(status)} ${status}`);
  say(`${pictures.length} pictures: ${kinds.join(", ")}`);
}

function add(files) {
  const tooLarge = [...files].filter((file) => file.size > task.limits.bytes);
  const taken = [...files].filter((file) => file.size <= task.limits.bytes);
  const fresh = taken.map((file) => ({ file, url: URL.createObjectURL(file), answer: null, kept: null, open: false }));
  pictures.push(...fresh);
  show();
  if (fresh.length) inTurn(() => predict(fresh));
  if (tooLarge.length) {
    inTurn(() => say(`${tooLarge[0].name} is larger than ${millions(task.limits.bytes)} MB; make it smaller`, true));
  }
}

function correct(picture, name) {
  inTurn(async () => {
    say("Keeping the correction …");
    const form = new FormData();
    form.append("file", picture.file);
    form.append("name", name);
    const { kept } = await call("/correct", form);
    picture.kept = { name, kept };
    task = await call("/task");
    describe();
    await predict(pictures);
    document.querySelector(`[data-number="${pictures.indexOf(picture)}"] [aria-pressed="true"]`)?.focus();
  });
}

const percent = (share) => `${Math.round(100 * share)} %`;
const shortPath = (path) => path.split("/").slice(-2).join("/");
const millions = (number) => Math.floor(number / 1e6);
const listed = (pairs) => pairs.map(([name, value]) => `${name} (${value.toFixed(2)})`).join(", ");

function reasons(picture) {
  const answer = picture.answer;
  const lines = [
    answer.top.length > 1 && `likeliest: ${answer.top.map(([name, p]) => `${name} ${percent(p)}`).join(", ")}`,
    answer.nearest.length && `nearest supports: ${listed(answer.nearest.map(([path, c]) => [shortPath(path), c]))}`,
    answer.text_share !== null && `share of text in the decision: ${percent(answer.text_share)}`,
    answer.speaks_for.length && `speaks for it: ${listed(answer.speaks_for)}`,
    answer.speaks_against.length && `speaks against it: ${listed(answer.speaks_against)}`,
  ].filter(Boolean);
  const list = element("ul", {}, ...lines.map((line) => element("li", { textContent: line })));
  const details = element("details", { open: picture.open }, element("summary", { textContent: "Why" }), list);
  details.addEventListener("toggle", () => { picture.open = details.open; });
  return details;
}

function choices(picture) {
  const { answer, kept } = picture;
  const few = task.classes.length <= 6 ? task.classes : [...new Set([kept?.name, ...answer.top.map(([name]) => name)])].filter(Boolean);
  const buttons = few.map((name) => {
    const button = element("button", { type: "button", textContent: name });
    button.setAttribute("aria-pressed", String(kept?.name === name));
    button.addEventListener("click", () => correct(picture, name));
    return button;
  });
  let others = null;
  if (few.length < task.classes.length) {
    const rest = task.classes.filter((name) => !few.includes(name));
    const options = rest.map((name) => element("option", { value: name, textContent: name }));
    others = element("select", {}, element("option", { value: "", textContent: "another class …" }), ...options);
    others.setAttribute("aria-label", `Another class for ${picture.file.name}`);
    others.addEventListener("change", () => others.value && correct(picture, others.value));
  }
  return element("fieldset", {}, element("legend", { textContent: "It is really (a click keeps it as a support):" }), ...buttons, others);
}

function card(picture, number) {
  const { answer, file, kept } = picture;
  const made = element("li", { className: "card" });
  made.dataset.number = number;
  const image = element("img", { src: picture.url, alt: "" });
  image.addEventListener("error", () => image.remove());
  const file_name = element("p", { className: "quiet", textContent: file.name });
  if (!answer) {
    made.append(image, element("h2", { textContent: "…" }), file_name);
    return made;
  }
  const none = answer.status === "none of these";
  const title = answer.class === null ? "No answer" : none ? "None of these" : `${answer.class} ${percent(answer.probability)}`;
  const badge = element("span", { className: `badge ${answer.status}`, textContent: answer.status });
  const head = element("div", { className: "head" }, element("h2", { textContent: title }), badge);
  if (answer.status === "broken") {
    made.append(head, file_name, element("p", { textContent: answer.error }));
    return made;
  }
  made.append(image, head, file_name);
  const promised = answer.guarantee === null ? "no guarantee" : `${percent(answer.guarantee)} promised`;
  const members = answer.prediction_set.join(", ") || "no class";
  if (!none) made.append(element("p", { textContent: `Prediction set: ${members} (${promised})` }));
  if (answer.disagreement) made.append(element("p", { textContent: answer.disagreement }));
  made.append(reasons(picture));
  if (kept) made.append(element("p", { className: "kept", textContent: `Support of ${kept.name}: ${shortPath(kept.kept)}` }));
  made.append(choices(picture));
  return made;
}

function show() {
  at("cards").replaceChildren(...pictures.map(card));
}

function describe() {
  at("task").textContent = [task.encoder, ...task.terms].map((line) => `${line[0].toUpperCase()}${line.slice(1)}.`).join(" ");
  at("support").textContent = task.support;
  const { files, bytes, pixels } = task.limits;
  at("limits").textContent = `up to ${millions(bytes)} MB and ${millions(pixels)} million pixels each, ${files} at once`;
}

const drop = at("drop");
at("files").addEventListener("change", (event) => {
  if (task) add(event.target.files);
  event.target.value = "";
});
addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (task) add(event.dataTransfer.files);
});
inTurn(async () => { task = await call("/task"); describe(); });
