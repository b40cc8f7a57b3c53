"use strict";
// A mining run: where rows ended, the classes, the models' agreement, and every row with its evidence.

const KEPT = -1, ANY = -2, DROPPED = -3;

function mining(part) {
  const ledger = new Ledger(part);
  const explorer = new Explorer(ledger);
  return [
    section(3, "Overview", overview(ledger, explorer)),
    section(3, "Where rows ended", funnel(ledger, explorer)),
    section(3, "Classes", ...classTable(ledger, explorer)),
    ...(ledger.columns.votes.length ? [section(3, "Agreement between models", ...agreement(ledger, explorer))] : []),
    section(3, "Descriptors", explorer.element),
    ...(part.prompts.length ? [section(3, "Prompts and answers", ...prompts(part))] : []),
    ...(part.edits.length ? [section(3, "Corrections by people", edits(part))] : []),
    section(3, "Models", models(part)),
    provenance(part),
    notShown(part),
  ];
}

class Ledger {
  constructor(part) {
    const { rows, classes, models: names, facets, authors, ends } = part.columns;
    Object.assign(this, { part, columns: rows, classes, models: names, facets, authors, ends });
    this.size = rows.text.length;
    this.lower = rows.text.map((text) => text.toLowerCase());
    this.rowsOf = new Map(); // class -> its rows, in their order
    rows.class.forEach((c, row) => this.rowsOf.get(c)?.push(row) ?? this.rowsOf.set(c, [row]));
    for (const list of this.rowsOf.values()) {
      list.sort((a, b) => (rows.rank[a] ?? 1e9) - (rows.rank[b] ?? 1e9) || rows.ended[b] - rows.ended[a] || a - b);
    }
    this.order = [...this.rowsOf.keys()].sort((a, b) => compare(classes[a][1], classes[b][1])).flatMap((c) => this.rowsOf.get(c));
    this.kept = (row) => rows.ended[row] === KEPT;
  }

  className(c) { return this.classes[c][1]; }
  end(e) { return `${this.ends[e][0]}: ${this.ends[e][1]}`; }
  author(row) { return this.authors[this.columns.said_by[row]] || []; }
  saidBy(row) { return this.author(row).map(([m, times]) => [this.models[m][1], times > 1 ? ` ×${times}` : ""]); }
  votes(row) { return this.columns.votes.filter(({ p }) => known(p[row])); }
}

function overview(ledger, explorer) {
  const { columns, part } = ledger;
  const kept = columns.ended.filter((end) => end === KEPT).length;
  const little = [...ledger.rowsOf.keys()].filter((c) => ledger.rowsOf.get(c).filter(ledger.kept).length < part.too_little);
  const named = little.slice(0, 12).flatMap((c, i) => [i ? ", " : "", button(ledger.className(c), () => explorer.set({ class: c }), "link")]);
  const lines = [
    `${plural(ledger.rowsOf.size, "class", "classes")}, ${plural(ledger.size, "candidate", "candidates")}, ${count(kept)} kept (${share(kept, ledger.size)}).`,
    ...Object.entries(part.skipped).map(([stage, why]) => `Skipped: ${stage} (${why}).`),
  ];
  const warning = little.length ? [element("p", { className: "warning" }, `Too little: ${plural(little.length, "class keeps", "classes keep")} fewer than ${part.too_little}: `, named, little.length > 12 ? ", …" : "")] : [];
  return element("div", {}, lines.map((line) => element("p", {}, words(line))), warning);
}

function funnel(ledger, explorer) {
  const counts = new Map();
  ledger.columns.ended.forEach((end) => counts.set(end, (counts.get(end) || 0) + 1));
  const names = [...new Set(ledger.ends.map(([name]) => name))];
  let left = ledger.size;
  const rows = names.map((name) => {
    const reasons = ledger.ends.map((end, e) => [end, e]).filter(([end]) => end[0] === name);
    const dropped = reasons.reduce((sum, [, e]) => sum + (counts.get(e) || 0), 0);
    const row = { name, into: left, dropped, out: left - dropped, reasons, ...ledger.part.stages[name] };
    left -= dropped;
    return row;
  });
  const why = (row) => element("ul", { className: "inline" }, row.reasons.map(([end, e]) => element("li", {}, button(`${end[1]} ${count(counts.get(e) || 0)}`, () => explorer.set({ ended: e }), "link"))));
  const columns = [
    { label: "step", value: (row) => row.name, plain: true },
    { label: "rows in", value: (row) => row.into, numeric: true, plain: true },
    { label: "dropped", value: (row) => row.dropped, numeric: true, plain: true },
    { label: "left", value: (row) => row.out, numeric: true, plain: true },
    { label: "share left", value: (row) => row.out / ledger.size, cell: (row) => bar(row.out, ledger.size), csv: false, plain: true },
    { label: "reasons", value: (row) => row.reasons.map(([end, e]) => `${end[1]} ${counts.get(e)}`).join("; "), cell: why, plain: true },
  ];
  if (rows.some((row) => known(row.seconds))) columns.push({ label: "seconds", value: (row) => row.seconds, numeric: true, plain: true });
  const kept = button(`Show the ${count(left)} kept`, () => explorer.set({ ended: KEPT }), "small");
  return element("div", {}, dataTable({ label: "Rows by step; a reason shows its rows below", name: "funnel", columns, rows }).element, element("p", {}, kept));
}

function mean(values) {
  const there = values.filter(known);
  return there.length ? there.reduce((sum, value) => sum + value, 0) / there.length : null;
}

function classTable(ledger, explorer) {
  const { columns } = ledger;
  const rows = [...ledger.rowsOf].map(([c, list]) => {
    const kept = list.filter(ledger.kept);
    const margins = kept.map((row) => columns.margin[row]).filter(known);
    const near = kept.map((row) => columns.neighbour[row]).filter((other) => other >= 0);
    return {
      c, name: ledger.className(c), kept: kept.length, dropped: list.length - kept.length,
      agreement: mean(kept.map((row) => columns.agreement[row])),
      margin: margins.length ? Math.min(...margins) : null,
      near: near.length ? ledger.className(mostCommon(near)) : "",
    };
  });
  const table = dataTable({
    label: "Classes; a name shows its rows below", name: "classes", rows, size: 20, sort: { column: 1, down: false },
    columns: [
      { label: "class", value: (row) => row.name, cell: (row) => button(row.name, () => explorer.set({ class: row.c }), "link") },
      { label: "kept", value: (row) => row.kept, numeric: true },
      { label: "dropped", value: (row) => row.dropped, numeric: true },
      { label: "mean agreement of the kept", value: (row) => row.agreement, cell: (row) => decimal(row.agreement), numeric: true },
      { label: "lowest CLIP margin of the kept", value: (row) => row.margin, cell: (row) => decimal(row.margin, 3), numeric: true },
      { label: "nearest class", value: (row) => row.near },
    ],
  });
  const search = element("input", { type: "search", autocomplete: "off" });
  search.addEventListener("input", () => table.update(rows.filter((row) => row.name.toLowerCase().includes(search.value.trim().toLowerCase()))));
  return [labelled("Find a class", search), table.element];
}

function mostCommon(values) {
  const counts = new Map();
  values.forEach((value) => counts.set(value, (counts.get(value) || 0) + 1));
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

function agreement(ledger, explorer) {
  const { votes, said_by: saidBy } = ledger.columns;
  const judges = votes.map(({ model, p }) => ({ model, p, name: ledger.models[model][1] }));
  const couples = judges.flatMap((a, i) => judges.slice(i + 1).map((b) => couple(a, b))).filter((pair) => pair.asked);
  const authored = ledger.models.map(([, name], m) => {
    const sets = new Set(ledger.authors.flatMap((set, s) => (set.some(([author]) => author === m) ? [s] : [])));
    const rows = saidBy.flatMap((set, row) => (sets.has(set) ? [row] : []));
    return { m, name, rows: rows.length, kept: rows.filter(ledger.kept).length, by: judges.map(({ p }) => mean(rows.map((row) => p[row]))) };
  }).filter((row) => row.rows);
  const first = dataTable({
    label: "What judges think of each author's statements: mean P(yes); an author's name shows the rows", name: "authors", rows: authored,
    columns: [
      { label: "author", value: (row) => row.name, cell: (row) => button(row.name, () => explorer.set({ author: row.m }), "link") },
      { label: "rows", value: (row) => row.rows, numeric: true },
      { label: "kept", value: (row) => row.kept, numeric: true },
      ...judges.map(({ name }, j) => ({ label: `says ${name}`, value: (row) => row.by[j], cell: (row) => decimal(row.by[j]), numeric: true })),
    ],
  });
  const second = dataTable({
    label: "Judges of the same statement", name: "agreement", rows: couples,
    columns: [
      { label: "judges", value: (row) => `${row.a.name}, ${row.b.name}` },
      { label: "asked both", value: (row) => row.asked, numeric: true },
      { label: "same side of 0.5", value: (row) => row.same / row.asked, cell: (row) => share(row.same, row.asked), numeric: true },
      { label: "correlation", value: (row) => row.correlation, cell: (row) => fixed(row.correlation), numeric: true },
      { label: "disagree on", value: (row) => row.asked - row.same, cell: (row) => button(plural(row.asked - row.same, "row", "rows"), () => explorer.set({ pair: [row.a.p, row.b.p] }), "link"), numeric: true },
    ],
  });
  const none = element("p", { className: "quiet", textContent: "No two judges were asked about the same statement: authors never vote on their own." });
  return [first.element, couples.length ? second.element : none];
}

function couple(a, b) {
  const both = a.p.flatMap((p, row) => (known(p) && known(b.p[row]) ? [[p, b.p[row]]] : []));
  const same = both.filter(([x, y]) => x >= 500 === y >= 500).length;
  return { a, b, asked: both.length, same, correlation: correlation(both) };
}

function correlation(both) {
  const [mx, my] = [mean(both.map(([x]) => x)), mean(both.map(([, y]) => y))];
  let xy = 0, xx = 0, yy = 0;
  for (const [x, y] of both) { xy += (x - mx) * (y - my); xx += (x - mx) ** 2; yy += (y - my) ** 2; }
  return xx && yy ? xy / Math.sqrt(xx * yy) : null;
}

function models(part) {
  const columns = ["name", "role", "path", "revision", "licence"].map((key) => ({ label: key, value: (row) => row[key] || (key === "licence" ? "not stated" : "") }));
  const calls = ["stage", "model", "asked", "from_journal", "failed", "prompt_tokens", "completion_tokens"].map((key) => ({ label: key.replaceAll("_", " "), value: (row) => row[key], numeric: typeof part.calls[0]?.[key] === "number" }));
  const tables = [dataTable({ label: "Models and their licences", name: "models", columns, rows: part.models }).element];
  if (part.calls.length) tables.push(dataTable({ label: "Requests and tokens", name: "requests", columns: calls, rows: part.calls }).element);
  return element("div", {}, tables);
}

function edits(part) {
  const columns = [
    ["when", (row) => row.at], ["what", (row) => row.action], ["class", (row) => row.class_id], ["text", (row) => row.text],
    ["why", (row) => row.why], ["before", (row) => (row.before ? (row.before.kept ? `kept, rank ${row.before.rank}` : `${row.before.stage}: ${row.before.reason}`) : "not there")],
  ].map(([label, value]) => ({ label, value }));
  return dataTable({ label: "Corrections, in their order", name: "corrections", columns, rows: part.edits }).element;
}

function prompts(part) {
  const stages = [...new Set(part.prompts.map((one) => one.stage))];
  return stages.map((stage) => {
    const asked = part.prompts.filter((one) => one.stage === stage), rarest = rarestLine(asked);
    return section(4, stage, asked.map((one) => question(one, rarest(one))));
  });
}

const linesOf = (one) => [...new Set(String((one.messages || []).at(-1)?.text || "").split("\n").map((line) => line.trim()).filter(Boolean))];

// Questions of a step differ in few lines: the one that the fewest have says which it is.
function rarestLine(asked) {
  const counts = new Map();
  asked.flatMap(linesOf).forEach((line) => counts.set(line, (counts.get(line) || 0) + 1));
  return (one) => linesOf(one).reduce((best, line) => (best && counts.get(best) <= counts.get(line) ? best : line), "");
}

function question(one, line) {
  const answer = known(one.p_yes) ? `P(yes) ${one.p_yes.toFixed(3)}` : one.answer || one.error || "no answer";
  const said = (one.messages || []).map((message) => [element("dt", { textContent: `${message.role}${message.picture ? ", with a picture" : ""}` }), element("dd", {}, element("pre", { textContent: message.text }))]);
  const made = folded("", element("dl", {}, said, element("dt", { textContent: `answer of ${one.model}` }), element("dd", {}, element("pre", { textContent: answer }))));
  made.firstChild.append(words(one.model), ": ", words(line.slice(0, 100)), " → ", words(String(answer).slice(0, 50)));
  return made;
}
