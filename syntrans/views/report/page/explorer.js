"use strict";
// Every row of a ledger: searched, filtered and ordered by numbers; drawn only as far as it is looked at.

const PAGE = 30;
const ORDERS = {
  class: "class and rank", agreement: "lowest agreement", margin: "lowest CLIP margin", seen: "least seen in pictures",
};

class Explorer {
  constructor(ledger) {
    this.ledger = ledger;
    this.corrections = new Corrections(ledger, () => this.draw());
    ledgers.push(this.corrections);
    this.list = element("ol", { className: "rows" });
    this.found = element("p", { aria: { role: "status" } });
    this.more = button("", () => { this.shown += PAGE; this.draw(); }, "more");
    this.tools = element("p", { className: "tools" }, this.more, csvButton("descriptors", this.csvColumns(), () => this.rows));
    this.add = element("div");
    this.form = element("form", { className: "filters", aria: { role: "search", label: "Filter descriptors" } });
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.element = element("div", {}, this.form, this.found, this.add, this.list, this.tools);
    this.clear();
  }

  clear() {
    this.filter = { text: "", class: ANY, ended: ANY, author: ANY, facet: ANY, pair: null, order: "class" };
    this.fields();
    this.apply();
  }

  // What an aggregate is made of: its rows alone, and the reader is led to them.
  set(wanted) {
    this.clear();
    Object.assign(this.filter, wanted);
    this.fields();
    this.apply();
    this.element.closest("section").querySelector("h3").focus();
  }

  change(wanted) {
    Object.assign(this.filter, wanted);
    this.apply();
  }

  fields() {
    const { ledger, filter } = this;
    const search = element("input", { type: "search", value: filter.text, autocomplete: "off" });
    search.addEventListener("input", () => this.change({ text: search.value }));
    const numbered = (names) => names.map((name, i) => [i, name]);
    const classes = [...ledger.rowsOf.keys()].map((c) => [c, ledger.className(c)]).sort((a, b) => compare(a[1], b[1]));
    const pick = (label, key, options) => choice(label, [[ANY, "all"], ...options], filter[key], (value) => this.change({ [key]: Number(value) }));
    const ends = [[KEPT, "kept"], [DROPPED, "dropped"], ...numbered(ledger.ends.map((_, e) => ledger.end(e)))];
    this.form.replaceChildren(
      labelled("Search in text and class", search),
      pick("Class", "class", classes), pick("Ended", "ended", ends),
      pick("Said by", "author", numbered(ledger.models.map(([, name]) => name))), pick("Facet", "facet", numbered(ledger.facets)),
      choice("Order", Object.entries(ORDERS), filter.order, (value) => this.change({ order: value })),
      button("Clear filters", () => this.clear()),
    );
  }

  matching() {
    const { ledger, filter } = this, { columns } = ledger;
    const text = filter.text.trim().toLowerCase();
    const named = text && new Set([...ledger.rowsOf.keys()].filter((c) => ledger.className(c).toLowerCase().includes(text)));
    const authors = filter.author === ANY ? null : new Set(ledger.authors.flatMap((set, s) => (set.some(([m]) => m === filter.author) ? [s] : [])));
    const [a, b] = filter.pair || [];
    return ledger.order.filter((row) =>
      (filter.class === ANY || columns.class[row] === filter.class)
      && (filter.ended === ANY || columns.ended[row] === filter.ended || (filter.ended === DROPPED && columns.ended[row] !== KEPT))
      && (filter.facet === ANY || columns.facet[row] === filter.facet)
      && (!authors || authors.has(columns.said_by[row]))
      && (!a || (known(a[row]) && known(b[row]) && a[row] >= 500 !== b[row] >= 500))
      && (!text || ledger.lower[row].includes(text) || named.has(columns.class[row])));
  }

  apply() {
    const { filter, ledger } = this;
    this.rows = this.matching();
    if (filter.order !== "class") {
      const column = ledger.columns[filter.order];
      this.rows.sort((a, b) => compare(column[a], column[b]));
    }
    this.shown = PAGE;
    this.draw();
  }

  draw() {
    const { filter, rows, ledger } = this;
    const how = filter.pair ? ", on which two judges disagree" : "";
    this.found.textContent = rows.length ? `${plural(rows.length, "row", "rows")} of ${count(ledger.size)}${how}` : `No row of ${count(ledger.size)} fits; clear a filter.`;
    this.list.replaceChildren(...rows.slice(0, this.shown).map((row) => this.item(row)));
    this.add.replaceChildren(...(filter.class === ANY ? [] : this.corrections.form(filter.class)));
    const rest = rows.length - this.shown;
    this.more.hidden = rest <= 0;
    this.more.textContent = `Show ${count(Math.min(rest, PAGE))} more of ${count(rest)}`;
  }

  item(row) {
    const { ledger, corrections } = this, { columns } = ledger;
    const kept = ledger.kept(row);
    const facts = [
      ledger.className(columns.class[row]), kept && known(columns.rank[row]) ? `rank ${columns.rank[row]}` : null,
      known(columns.agreement[row]) ? `agreement ${decimal(columns.agreement[row])}` : null,
      known(columns.seen[row]) ? `seen ${decimal(columns.seen[row])}` : null,
    ].filter(Boolean);
    const head = element("summary", {},
      element("span", { className: `badge ${kept ? "good" : "bad"}`, textContent: kept ? "kept" : ledger.ends[columns.ended[row]][1] }),
      words(columns.text[row], "text"),
      element("span", { className: "quiet" }, facts.flatMap((fact, i) => [i ? " · " : "", words(fact)])));
    const body = element("div", { className: "evidence" });
    const details = element("details", {}, head, body);
    details.addEventListener("toggle", () => { if (details.open && !body.firstChild) body.append(this.evidence(row)); });
    return element("li", {}, details, corrections.control(row));
  }

  evidence(row) {
    const { ledger } = this, { columns, part } = ledger;
    const kept = ledger.kept(row), found = [];
    found.push(["Ended", kept ? `kept, weight ${decimal(columns.weight[row], 3)}` : ledger.end(columns.ended[row])]);
    if (columns.same_as[row] >= 0) found.push(["Says the same as", columns.text[columns.same_as[row]]]);
    const authors = ledger.saidBy(row);
    found.push(["Said by", authors.length ? listed(authors) : "nobody"]);
    if (columns.words[row].length) found.push(["In these words", element("ul", {}, columns.words[row].map((said) => element("li", {}, words(said))))]);
    if (columns.told_from[row] >= 0) found.push(["Asked, to tell it from", ledger.className(columns.told_from[row])]);
    const votes = ledger.votes(row).map(({ model, p, worth }) => [ledger.models[model][1], ` ${decimal(p[row])}${worth && known(worth[row]) ? ` → ${decimal(worth[row])}` : ""}`]);
    if (votes.length) found.push(["P(yes) of the judges", listed(votes)]);
    if (known(columns.seen[row])) found.push(["Seen in pictures", this.seen(row)]);
    if (known(columns.similarity[row])) {
      const near = columns.neighbour[row] >= 0 ? [`, margin ${signed(columns.margin[row] / 1000, 3)} over `, words(ledger.className(columns.neighbour[row]))] : [];
      found.push(["CLIP", element("span", {}, `similarity ${decimal(columns.similarity[row], 3)}`, near)]);
    }
    found.push(["Facet", ledger.facets[columns.facet[row]]], ["Id", columns.id[row]]);
    return element("div", {}, pairs(found), this.pictures(row, part.thumbnails));
  }

  seen(row) {
    const { columns } = this.ledger, other = columns.elsewhere_class[row];
    const contrast = other >= 0 && known(columns.elsewhere[row]) ? ["; in those of ", words(this.ledger.className(other)), ` ${decimal(columns.elsewhere[row])}`] : [];
    return element("span", {}, `P(yes) ${decimal(columns.seen[row])}`, contrast);
  }

  pictures(row, thumbnails) {
    const { columns, part } = this.ledger;
    const shown = thumbnails && columns.shown[row] >= 0 ? columns.shown_sets[columns.shown[row]].map((i) => part.columns.pictures[i]) : [];
    return element("p", { className: "thumbnails" }, shown.map((sha256) => (thumbnails[sha256]
      ? element("img", { src: thumbnails[sha256], alt: `a picture of ${this.ledger.className(columns.class[row])}` })
      : element("span", { className: "gone", textContent: "a picture that is gone" }))));
  }

  csvColumns() {
    const { ledger } = this, { columns } = ledger;
    const of = (key) => (row) => (known(columns[key][row]) ? columns[key][row] / 1000 : null);
    const list = [
      ["class_id", (row) => ledger.classes[columns.class[row]][0]], ["class_name", (row) => ledger.className(columns.class[row])],
      ["descriptor_id", (row) => columns.id[row]], ["text", (row) => columns.text[row]], ["facet", (row) => ledger.facets[columns.facet[row]]],
      ["kept", (row) => ledger.kept(row)], ["stage", (row) => ledger.ends[columns.ended[row]]?.[0]], ["reason", (row) => ledger.ends[columns.ended[row]]?.[1]],
      ["rank", (row) => columns.rank[row]], ["weight", of("weight")], ["said_by", (row) => asText(ledger.saidBy(row))], ["agreement", of("agreement")],
      ["seen", of("seen")], ["seen_elsewhere", of("elsewhere")], ["similarity", of("similarity")], ["margin", of("margin")],
      ["neighbour", (row) => (columns.neighbour[row] >= 0 ? ledger.className(columns.neighbour[row]) : null)],
    ];
    return list.map(([label, value]) => ({ label, value }));
  }
}
