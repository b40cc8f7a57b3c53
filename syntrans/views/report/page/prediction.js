"use strict";
// Named pictures: those that need a person first and large, then all of them with filters.

function prediction(part) {
  const unsure = part.answers.filter((answer) => answer.status === "unsure");
  const gallery = new Gallery(part);
  return [
    section(3, "Overview", ...counts(part, gallery)),
    ...(unsure.length ? [section(3, `Unsure: ${plural(unsure.length, "picture needs", "pictures need")} a look`, growing(unsure, 6, "large"))] : []),
    section(3, "All pictures", gallery.element),
    provenance(part),
    notShown(part),
  ];
}

const percent = (value) => `${Math.round(100 * value)} %`;

function counts(part, gallery) {
  const classes = new Map();
  part.answers.filter((answer) => answer.status === "named").forEach((answer) => classes.set(answer.class, (classes.get(answer.class) || 0) + 1));
  const statuses = ["named", "unsure", "none of these", "broken"].map((status) => [status, part.answers.filter((answer) => answer.status === status).length]);
  const list = element("ul", { className: "inline" }, statuses.map(([status, n]) => element("li", {}, button(`${status} ${count(n)}`, () => gallery.set({ status }), "link"))));
  const table = dataTable({
    label: "Named pictures by class; a name shows them", name: "named", rows: [...classes], size: 10, sort: { column: 1, down: true },
    columns: [{ label: "class", value: ([name]) => name, cell: ([name]) => button(name, () => gallery.set({ status: "named", class: name }), "link") }, { label: "pictures", value: ([, n]) => n, numeric: true }],
  });
  return [...(part.head ? [element("p", {}, words(part.head))] : []), list, ...(classes.size ? [table.element] : [])];
}

// Cards, some at a time.
function growing(answers, size, kind = "") {
  const list = element("ul", { className: `cards ${kind}` });
  const more = button("", () => add(), "more");
  const add = () => {
    list.append(...answers.slice(list.childElementCount, list.childElementCount + size).map(card));
    const rest = answers.length - list.childElementCount;
    more.hidden = rest <= 0;
    more.textContent = `Show ${count(Math.min(rest, size))} more of ${count(rest)}`;
  };
  add();
  return element("div", {}, list, element("p", { className: "tools" }, more));
}

function card(answer) {
  const none = answer.status === "none of these";
  const title = !known(answer.class) ? "No answer" : none ? "None of these" : answer.class;
  const kinds = { named: "good", broken: "bad" };
  const name = answer.path.split(/[\\/]/).pop();
  const picture = answer.picture ? element("img", { src: answer.picture, alt: `${name}, ${answer.status}: ${title}`, loading: "lazy" }) : element("p", { className: "gone", textContent: "no picture: it is gone, broken, or in another file" });
  const pairsOf = (list) => (list || []).map(([text, value]) => [text, ` (${value.toFixed(2)})`]);
  const lines = [
    ["Likeliest", (answer.top || []).map(([text, p]) => [text, ` ${percent(p)}`])], ["Nearest supports", pairsOf((answer.nearest || []).map(([path, cosine]) => [path.split(/[\\/]/).slice(-2).join("/"), cosine]))],
    ["Share of text", known(answer.text_share) ? [["", percent(answer.text_share)]] : []], ["Speaks for it", pairsOf(answer.speaks_for)], ["Speaks against it", pairsOf(answer.speaks_against)],
  ].filter(([, told]) => told.length).map(([label, told]) => [label, listed(told)]);
  const set = answer.prediction_set || [];
  return element("li", {}, picture, element("div", {},
    element("h4", {}, words(title), known(answer.probability) && !none ? ` ${percent(answer.probability)}` : ""),
    element("p", {}, element("span", { className: `badge ${kinds[answer.status] || ""}`, textContent: answer.status }), " ", words(name, "quiet")),
    ...(known(answer.class) && !none && set.length !== 1 ? [element("p", {}, "Prediction set: ", set.length ? listed(set.map((one) => [one, ""])) : "no class")] : []),
    ...[answer.disagreement, answer.error].filter(Boolean).map((text) => element("p", {}, words(text))),
    ...(lines.length ? [folded("Why", pairs(lines))] : [])));
}

class Gallery {
  constructor(part) {
    this.part = part;
    this.place = element("div");
    this.found = element("p", { aria: { role: "status" } });
    this.form = element("form", { className: "filters", aria: { role: "search", label: "Filter pictures" } });
    this.form.addEventListener("submit", (event) => event.preventDefault());
    const columns = ["path", "status", "class", "probability", "prediction_set", "guarantee", "text_share", "disagreement", "error"].map((key) => ({ label: key, value: (answer) => (Array.isArray(answer[key]) ? answer[key].join("; ") : answer[key]) }));
    this.element = element("div", {}, this.form, this.found, this.place, element("p", { className: "tools" }, csvButton("predictions", columns, () => this.answers)));
    this.set({}, false);
  }

  set(filter, lead = true) {
    this.filter = { status: "", class: "", disagreement: "", text: "", ...filter };
    const names = [...new Set(this.part.answers.map((answer) => answer.class).filter(known))].sort(compare);
    const search = element("input", { type: "search", value: this.filter.text, autocomplete: "off" });
    search.addEventListener("input", () => this.change({ text: search.value }));
    const all = [["", "all"]];
    this.form.replaceChildren(
      labelled("Search in file names", search),
      choice("Status", [...all, ...["named", "unsure", "none of these", "broken"].map((one) => [one, one])], this.filter.status, (status) => this.change({ status })),
      choice("Class", [...all, ...names.map((one) => [one, one])], this.filter.class, (name) => this.change({ class: name })),
      choice("Pictures and text", [...all, ["yes", "disagree"]], this.filter.disagreement, (disagreement) => this.change({ disagreement })),
      button("Clear filters", () => this.set({}, false)),
    );
    this.change({});
    if (lead) this.element.closest("section").querySelector("h3").focus();
  }

  change(wanted) {
    const filter = Object.assign(this.filter, wanted), text = filter.text.trim().toLowerCase();
    this.answers = this.part.answers.filter((answer) => (!filter.status || answer.status === filter.status) && (!filter.class || answer.class === filter.class)
      && (!filter.disagreement || answer.disagreement) && (!text || answer.path.toLowerCase().includes(text)));
    this.found.textContent = `${plural(this.answers.length, "picture", "pictures")} of ${count(this.part.answers.length)}`;
    this.place.replaceChildren(growing(this.answers, 60));
  }
}
