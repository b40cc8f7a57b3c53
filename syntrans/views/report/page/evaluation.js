"use strict";
// An evaluation: every row with its interval, and below it what that row is made of.

function evaluation(part) {
  const shots = Object.keys(part.results);
  const names = (row) => part.labels[row] || row;
  const views = shots.map((k) => new Result(part, k, names));
  return [
    section(3, "Overview", tasks(part)),
    ...views.map((view) => section(3, `${view.shots}-shot`, view.element)),
    section(3, "Calibration", ...calibration(part, shots, names)),
    section(3, "What val chose", ...chosen(part.chosen.methods, part.chosen.choices)),
    provenance(part),
    notShown(part),
  ];
}

function tasks(part) {
  const { episodes, data } = part;
  const leak = Math.max(0, ...Object.values(episodes.dropped || {}));
  const lines = [
    `${episodes.ways}-way tasks with ${episodes.queries} queries a class, ${count(episodes.episodes)} episodes, seed ${episodes.seed}; ${plural(data.classes, "novel class", "novel classes")}, ${plural(data.images, "picture", "pictures")}.`,
    "Percent with 95 % intervals over episodes; differences are paired by episode.",
  ];
  if (leak) lines.push(`${count(leak)} episodes left out: mining had seen a query of theirs.`);
  return element("div", {}, lines.map((line) => element("p", {}, words(line))));
}

class Result {
  constructor(part, shots, names) {
    Object.assign(this, { part, shots, names });
    const results = part.results[shots];
    this.rows = Object.keys(results).map((row) => ({ row, ...results[row], group: part.groups[row] }));
    this.rows.sort((a, b) => Object.keys(part.group_labels).indexOf(a.group) - Object.keys(part.group_labels).indexOf(b.group));
    this.detail = element("div", { className: "detail" });
    this.element = element("div", {}, this.table(), this.detail);
    this.show(results.syntrans ? "syntrans" : this.rows[0].row);
  }

  table() {
    const contrasts = this.part.contrasts[this.shots];
    const low = Math.floor(Math.min(...this.rows.map((row) => row.mean - row.half_width)));
    const high = Math.ceil(Math.max(...this.rows.map((row) => row.mean + row.half_width)));
    const text = (value) => `${fixed(value.mean)} ± ${fixed(value.half_width)}`;
    const difference = (key) => ({
      value: (row) => contrasts[key(row.row)]?.mean ?? null, numeric: true,
      cell: (row) => { const found = contrasts[key(row.row)]; return found ? element("span", { title: found.verdict }, `${signed(found.mean)} ± ${fixed(found.half_width)}`) : ""; },
    });
    const columns = [
      { label: "row", value: (row) => this.names(row.row), cell: (row) => button(this.names(row.row), () => this.show(row.row, true), "link") },
      { label: "accuracy", value: (row) => row.mean, cell: text, numeric: true },
      { label: "interval", head: element("span", {}, axis(low, high), element("span", { className: "hidden", textContent: "interval" })), value: (row) => row.mean, csv: false, plain: true, cell: (row) => whisker(row.mean, row.half_width, low, high, row.group, `${text(row)} percent`) },
      { label: "half width", value: (row) => row.half_width, hidden: true },
      { label: "row − visual only", ...difference((row) => `${row} - visual_only`) },
      { label: "SynTrans − row", ...difference((row) => `syntrans - ${row}`) },
      { label: "± with other pictures", value: (row) => row.image_half_width, cell: (row) => fixed(row.image_half_width), numeric: true },
      { label: "group", value: (row) => this.part.group_labels[row.group] || row.group, cell: (row) => words(this.part.group_labels[row.group] || row.group, "whole") },
    ];
    const made = dataTable({ label: `Accuracy in percent, ${this.shots}-shot; a row's name shows what it is made of`, name: `accuracy-${this.shots}-shot`, columns, rows: this.rows });
    return made.element;
  }

  show(row, lead = false) {
    const made = section(4, `${this.names(row)}, ${this.shots}-shot`, ...this.spread(row), ...this.classes(row), ...this.mistakes(row));
    this.detail.replaceChildren(made);
    if (lead) made.querySelector("h4").focus();
  }

  // The episodes that the mean is of.
  spread(row) {
    const found = this.part.accuracies[this.shots];
    if (!found?.rows[row]) return [element("p", { className: "quiet", textContent: "The accuracy of each episode is not beside the summary." })];
    const values = found.rows[row], bins = 20, counts = Array(bins).fill(0);
    values.forEach((value) => { counts[Math.min(bins - 1, Math.floor(value / (10000 / bins)))] += 1; });
    const most = Math.max(...counts), first = counts.findIndex(Boolean);
    const rows = counts.map((n, i) => ({ from: (100 / bins) * i, n })).slice(first);
    const histogram = dataTable({
      label: "Episodes by accuracy", name: `episodes-by-accuracy-${row}-${this.shots}-shot`, rows,
      columns: [
        { label: "accuracy", value: (one) => `${one.from} to ${one.from + 100 / bins} %`, plain: true },
        { label: "episodes", value: (one) => one.n, numeric: true, plain: true },
        { label: "drawn", value: (one) => one.n, cell: (one) => bar(one.n, most), csv: false, plain: true },
      ],
    });
    const episodes = dataTable({
      label: "Every episode, the worst first", name: `episodes-${row}-${this.shots}-shot`, size: 10, sort: { column: 1, down: false },
      rows: values.map((value, i) => ({ episode: found.episode[i], value: value / 100 })),
      columns: [{ label: "episode", value: (one) => one.episode, cell: (one) => String(one.episode) }, { label: "accuracy", value: (one) => one.value, cell: (one) => fixed(one.value), numeric: true }],
    });
    return [folded("Episodes by accuracy", histogram.element), folded("Every episode", episodes.element)];
  }

  classes(row) {
    const { classes = [], pairs: all = {} } = this.part.confusion, pairs = all[this.shots]?.[row] || [];
    const rows = Object.entries(this.part.per_class[this.shots]).map(([name, values]) => {
      const c = classes.indexOf(name);
      const worst = pairs.filter(([from]) => from === c).slice(0, 3).map(([, to]) => classes[to]);
      return { name, value: values[row], visual: values.visual_only, worst: worst.join(", ") };
    });
    return [dataTable({
      label: "Accuracy of every class, the worst first", name: `classes-${row}-${this.shots}-shot`, rows, size: 10, sort: { column: 1, down: false },
      columns: [
        { label: "class", value: (one) => one.name },
        { label: "accuracy", value: (one) => one.value, cell: (one) => fixed(one.value), numeric: true },
        { label: "minus visual only", value: (one) => (known(one.visual) && known(one.value) ? one.value - one.visual : null), cell: (one) => (known(one.visual) && known(one.value) ? signed(one.value - one.visual) : ""), numeric: true },
        { label: "most often taken for", value: (one) => one.worst },
      ],
    }).element];
  }

  mistakes(row) {
    const { classes, pairs, most } = this.part.confusion;
    const found = pairs?.[this.shots]?.[row];
    if (!found?.length) return [];
    const label = found.length < most ? "Which class was taken for which" : `Which class was taken for which: the ${count(most)} most frequent pairs`;
    return [dataTable({
      label, name: `confusion-${row}-${this.shots}-shot`, rows: found, size: 10,
      columns: [
        { label: "class", value: ([from]) => classes[from] }, { label: "taken for", value: ([, to]) => classes[to] },
        { label: "queries", value: ([, , queries]) => queries, numeric: true },
      ],
    }).element];
  }
}

function calibration(part, shots, names) {
  const rows = shots.flatMap((k) => Object.entries(part.results[k]).map(([row, value]) => ({ shots: k, row, ...value })));
  const table = dataTable({
    label: "Expected calibration error: how far stated probabilities are from the shares that were right, in percent", name: "calibration", rows, size: 30,
    columns: [
      { label: "row", value: (one) => names(one.row) }, { label: "shots", value: (one) => Number(one.shots), numeric: true },
      { label: "error", value: (one) => 100 * one.ece, cell: (one) => fixed(100 * one.ece), numeric: true },
      { label: "temperature, from val", value: (one) => one.temperature, cell: (one) => fixed(one.temperature), numeric: true },
    ],
  });
  return [table.element, ...reliability(rows.filter((one) => one.row === "syntrans" && one.reliability))];
}

// bins: [queries, mean probability, share that was right], of SynTrans.
function reliability(rows) {
  if (!rows.length) return [];
  const lines = rows.map((one) => ({ name: `SynTrans, ${one.shots}-shot`, points: one.reliability.filter(([n]) => n).map(([, stated, right]) => [stated, right]) }));
  lines.push({ name: "perfect", points: [[0, 0], [1, 1]] });
  return [lineChart("Share of right answers over the stated probability", lines, { x: "stated probability", y: "Reliability: share that was right" })];
}

// The settings of each method and of the bridge, with all that were tried.
function chosen(methods = [], choices = []) {
  const settings = (one) => Object.entries(one).map(([key, value]) => `${key} ${typeof value === "number" ? Number(value.toPrecision(4)) : JSON.stringify(value)}`).join(", ");
  const without = (one, keys) => Object.fromEntries(Object.entries(one).filter(([key]) => !keys.includes(key)));
  const made = [];
  if (methods.length) {
    made.push(dataTable({
      label: "Settings of the methods", name: "settings", rows: methods,
      columns: [
        { label: "method", value: (one) => one.method }, { label: "shots", value: (one) => one.shots, numeric: true },
        { label: "setting", value: (one) => settings(one.setting || {}) || "none" },
        { label: "val accuracy", value: (one) => one.val, cell: (one) => fixed(100 * one.val), numeric: true },
        { label: "tried", value: (one) => (one.trials || []).map(settings).join("; "), cell: (one) => folded(`${(one.trials || []).length}`, element("ul", {}, (one.trials || []).map((trial) => element("li", {}, words(settings(trial)))))), plain: true },
      ],
    }).element);
  }
  if (choices.length) {
    made.push(dataTable({
      label: "Settings of the bridge", name: "bridge", rows: choices,
      columns: [
        { label: "text", value: (one) => one.variant }, { label: "shots", value: (one) => one.shots, numeric: true },
        { label: "α", value: (one) => one.alpha, cell: (one) => fixed(one.alpha), numeric: true },
        { label: "other settings", value: (one) => settings(without(one, ["variant", "shots", "alpha", "curve"])) },
      ],
    }).element);
  }
  return made;
}
