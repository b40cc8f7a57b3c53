"use strict";
// An evaluation: every row with its interval, and below it what that row is made of.

function evaluation(part) {
  const shots = Object.keys(part.results);
  const names = (row) => part.labels[row] || row;
  const views = shots.map((k) => new Result(part, k, names));
  const curves = part.chosen.bridge.filter((one) => one.curve);
  return [
    section(3, "Overview", ...part.overview.map((line) => element("p", {}, words(line)))),
    ...views.map((view) => section(3, `${view.shots}-shot`, view.element)),
    ...(curves.length ? [section(3, "Accuracy over α, on val", ...alphaOnVal(curves))] : []),
    ...calibration(part, views, names),
    section(3, "What val chose", ...chosen(part.chosen.methods, part.chosen.bridge), ...ridge(part.chosen.ridge)),
    provenance(part),
    notShown(part),
  ];
}

class Result {
  constructor(part, shots, names) {
    Object.assign(this, { part, shots, names });
    const results = part.results[shots], order = Object.keys(part.group_labels);
    this.rows = Object.keys(results).map((row) => ({ row, ...results[row], group: part.groups[row] }));
    this.rows.sort((a, b) => order.indexOf(a.group) - order.indexOf(b.group));
    this.detail = element("div", { className: "detail" });
    this.element = element("div", {}, this.table(), this.detail);
    this.show(results[part.headline] ? part.headline : this.rows[0].row);
  }

  // The paired difference of two rows, if there is one.
  difference(a, b) { return this.part.contrasts[this.shots]?.[`${a} - ${b}`]; }

  table() {
    const { headline, reference } = this.part, first = this.names(headline);
    const groupName = (row) => this.part.group_labels[row.group] || row.group || "";
    const columns = [
      { label: "row", value: (row) => this.names(row.row), cell: (row) => button(this.names(row.row), () => this.show(row.row, true), "link") },
      ...interval("accuracy", this.rows, (row) => row),
      ...interval(`${first} − row`, this.rows, (row) => this.difference(headline, row.row), true),
    ];
    if (reference) columns.push({ label: `row − ${this.names(reference)}`, value: (row) => this.difference(row.row, reference)?.mean ?? null, cell: (row) => difference(this.difference(row.row, reference)), numeric: true });
    if (this.rows.some((row) => known(row.image_half_width))) columns.push({ label: "± with other pictures", value: (row) => row.image_half_width, cell: (row) => fixed(row.image_half_width), numeric: true });
    columns.push({ label: "group", value: groupName, cell: (row) => words(groupName(row), "whole") });
    return dataTable({ label: `Accuracy in percent, ${this.shots}-shot; a row's name shows what it is made of`, name: `accuracy-${this.shots}-shot`, columns, rows: this.rows }).element;
  }

  show(row, lead = false) {
    const parts = [...this.spread(row), ...this.bins(row), ...this.classes(row)];
    const made = section(4, `${this.names(row)}, ${this.shots}-shot`, ...parts);
    this.detail.replaceChildren(made);
    if (lead) made.querySelector("h4").focus();
  }

  // The episodes that the mean and its differences are of, or the draws of the supports.
  spread(row) {
    const { headline, reference, accuracies, results } = this.part, found = accuracies[this.shots];
    const { seeds } = results[this.shots][row];
    if (seeds) return [this.draws(row, seeds)];
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
    const beside = [[headline, 1, `${this.names(headline)} − row`], [reference, -1, `row − ${this.names(reference)}`]].filter(([other]) => other !== row && found.rows[other]);
    const column = (label, value, shown = fixed) => ({ label, value, cell: (one) => shown(value(one)), numeric: true });
    const episodes = dataTable({
      label: "Every episode, the worst first", name: `episodes-${row}-${this.shots}-shot`, size: 10, sort: { column: 1, down: false },
      rows: values.map((value, i) => ({ episode: found.episode[i], value, i })),
      columns: [
        { label: "episode", value: (one) => one.episode, cell: (one) => String(one.episode) },
        column("accuracy", (one) => one.value / 100),
        ...beside.map(([other, sign, label]) => column(label, (one) => (sign * (found.rows[other][one.i] - one.value)) / 100, signed)),
      ],
    });
    return [folded("Episodes by accuracy", histogram.element), folded("Every episode", episodes.element)];
  }

  draws(row, seeds) {
    const columns = [{ label: "draw", value: ([i]) => i + 1 }, { label: "accuracy", value: ([, value]) => value, cell: ([, value]) => fixed(value), numeric: true }];
    return folded("Every draw of the supports", dataTable({ label: "Accuracy by draw of the supports", name: `draws-${row}-${this.shots}-shot`, columns, rows: [...seeds.entries()] }).element);
  }

  // What the calibration error is made of.
  bins(row) {
    const { reliability } = this.part.results[this.shots][row];
    if (!reliability) return [];
    const rows = reliability.filter(([queries]) => queries);
    const columns = [
      { label: "stated probability", value: ([, stated]) => stated, cell: ([, stated]) => fixed(stated, 3), numeric: true },
      { label: "share that was right", value: ([, , right]) => right, cell: ([, , right]) => fixed(right, 3), numeric: true },
      { label: "queries", value: ([queries]) => queries, numeric: true },
    ];
    const table = dataTable({ label: "Answers by stated probability", name: `calibration-${row}-${this.shots}-shot`, columns, rows });
    return [folded("Answers by stated probability", table.element)];
  }

  // Every class; its name shows for what it was taken.
  classes(row) {
    const { classes = [], pairs: all = {}, most } = this.part.confusion, pairs = all[this.shots]?.[row] || [];
    const { reference } = this.part, perClass = Object.entries(this.part.per_class[this.shots] || {});
    if (!perClass.length) return [];
    const mistakes = pairs.length ? this.mistakes(row, pairs, classes, most) : null;
    const rows = perClass.map(([name, values]) => {
      const c = classes.indexOf(name);
      const worst = pairs.filter(([from]) => from === c).slice(0, 3).map(([, to]) => classes[to]);
      const before = reference ? values[reference] : null;
      return { name, c, value: values[row], gain: known(before) && known(values[row]) ? values[row] - before : null, worst: worst.map((one) => [one, ""]) };
    });
    const columns = [
      { label: "class", value: (one) => one.name, cell: (one) => (mistakes && one.worst.length ? button(one.name, () => mistakes.only(one.c), "link") : one.name) },
      { label: "accuracy", value: (one) => one.value, cell: (one) => fixed(one.value), numeric: true },
      ...(reference && reference !== row ? [{ label: `minus ${this.names(reference)}`, value: (one) => one.gain, cell: (one) => signed(one.gain), numeric: true }] : []),
      ...(mistakes ? [{ label: "most often taken for", value: (one) => asText(one.worst), cell: (one) => listed(one.worst) }] : []),
    ];
    const label = `Accuracy of every class, the worst first${mistakes ? "; a name shows for what it was taken" : ""}`;
    const table = dataTable({ label, name: `classes-${row}-${this.shots}-shot`, rows, columns, size: 10, sort: { column: 1, down: false } });
    return [table.element, ...(mistakes ? [mistakes.element] : [])];
  }

  mistakes(row, pairs, classes, most) {
    const label = pairs.length < most ? "Which class was taken for which" : `Which class was taken for which: the ${count(most)} most frequent pairs`;
    const table = dataTable({
      label, name: `confusion-${row}-${this.shots}-shot`, rows: pairs, size: 10,
      columns: [
        { label: "class", value: ([from]) => classes[from] }, { label: "taken for", value: ([, to]) => classes[to] },
        { label: "queries", value: ([, , queries]) => queries, numeric: true },
      ],
    });
    const all = [["-1", "all"], ...classes.map((name, c) => [c, name]).sort((a, b) => compare(a[1], b[1]))];
    const pick = choice("Taken for another: the class", all, "-1", (c) => table.update(Number(c) < 0 ? pairs : pairs.filter(([from]) => from === Number(c))));
    const select = pick.querySelector("select");
    const only = (c) => { select.value = c; select.dispatchEvent(new Event("change")); select.focus(); };
    return { element: element("div", {}, pick, table.element), only };
  }
}

const difference = (found) => (found ? element("span", { title: found.verdict || "" }, `${signed(found.mean)} ± ${fixed(found.half_width)}`) : "");

// Two columns: a value with its interval in numbers, and drawn on one axis for all rows; that of differences has a line at 0.
// Wrong texts would squeeze everything else: controls do not widen the axis, and what lies beyond it ends in an arrow.
function interval(label, rows, of, isDifference = false) {
  const there = rows.filter(of), others = there.filter((row) => !/^control/.test(row.group));
  if (!there.length) return [];
  const ends = [...(others.length ? others : there).map(of).flatMap((one) => [one.mean - one.half_width, one.mean + one.half_width]), ...(isDifference ? [0] : [])];
  const [low, high] = extent([Math.floor(Math.min(...ends)), Math.ceil(Math.max(...ends))]);
  const text = (one) => `${isDifference ? signed(one.mean) : fixed(one.mean)} ± ${fixed(one.half_width)}`;
  const mean = (row) => of(row)?.mean ?? null, drawnLabel = `${label}, drawn`;
  return [
    { label, value: mean, cell: (row) => (isDifference ? difference(of(row)) : text(of(row))), numeric: true },
    { label: `half width of ${label}`, value: (row) => of(row)?.half_width ?? null, hidden: true },
    {
      label: drawnLabel, value: mean, csv: false, plain: true,
      head: element("span", {}, axis(low, high), element("span", { className: "hidden", textContent: drawnLabel })),
      cell: (row) => (of(row) ? whisker(of(row), [low, high], row.group || "", `${label} ${text(of(row))} percent`, isDifference ? 0 : null) : element("span")),
    },
  ];
}

function calibration(part, views, names) {
  const rows = views.flatMap((view) => view.rows.filter((row) => known(row.ece)).map((row) => ({ view, shots: view.shots, ...row })));
  if (!rows.length) return [];
  const table = dataTable({
    label: "Expected calibration error in percent: how far stated probabilities are from the shares that were right; a name shows its answers", name: "calibration", rows, size: 30,
    columns: [
      { label: "row", value: (one) => names(one.row), cell: (one) => button(names(one.row), () => one.view.show(one.row, true), "link") },
      { label: "shots", value: (one) => Number(one.shots), numeric: true },
      { label: "error", value: (one) => 100 * one.ece, cell: (one) => fixed(100 * one.ece), numeric: true },
      { label: "temperature, from val", value: (one) => one.temperature, cell: (one) => fixed(one.temperature), numeric: true },
    ],
  });
  return [section(3, "Calibration", ...reliability(rows.filter((one) => one.row === part.headline && one.reliability), names(part.headline)), table.element)];
}

// bins: [queries, mean probability, share that was right], of the headline.
function reliability(rows, name) {
  if (!rows.length) return [];
  const lines = rows.map((one) => ({ name: `${name}, ${one.shots}-shot`, points: one.reliability.filter(([n]) => n).map(([, stated, right]) => [stated, right]) }));
  lines.push({ name: "perfect", points: [[0, 0], [1, 1]] });
  return [lineChart("Share of right answers over the stated probability", lines, { x: "stated probability", y: "Reliability: share that was right" })];
}

const valAndTrials = (settings) => [
  { label: "val accuracy", value: (one) => (known(one.val) ? 100 * one.val : null), cell: (one) => (known(one.val) ? fixed(100 * one.val) : "–"), numeric: true },
  {
    label: "tried", value: (one) => (one.trials || []).map(settings).join("; "), plain: true,
    cell: (one) => (one.trials?.length ? folded(`${one.trials.length}`, element("ul", {}, one.trials.map((trial) => element("li", {}, words(settings(trial)))))) : "–"),
  },
];

// The settings of each method and of the bridge, with all that were tried.
function chosen(methods = [], choices = []) {
  const settings = (one) => Object.entries(one).map(([key, value]) => `${key} ${typeof value === "number" ? Number(value.toPrecision(4)) : JSON.stringify(value)}`).join(", ");
  const without = (one, keys) => Object.fromEntries(Object.entries(one).filter(([key]) => !keys.includes(key)));
  const made = [], withVal = methods.some((one) => known(one.val));
  if (methods.length) {
    made.push(dataTable({
      label: "Settings of the methods", name: "settings", rows: methods,
      columns: [
        { label: "method", value: (one) => one.method }, { label: "shots", value: (one) => one.shots, numeric: true },
        { label: "setting", value: (one) => settings(one.setting || {}) || "none" },
        ...(withVal ? valAndTrials(settings) : []),
      ],
    }).element);
  }
  if (choices.length) {
    made.push(dataTable({
      label: "Settings of the bridge", name: "bridge", rows: choices,
      columns: [
        { label: "text", value: (one) => textName(one.variant) }, { label: "shots", value: (one) => one.shots, numeric: true },
        { label: "α", value: (one) => one.alpha, cell: (one) => fixed(one.alpha), numeric: true },
        { label: "other settings", value: (one) => settings(without(one, ["variant", "shots", "alpha", "curve"])) },
      ],
    }).element);
  }
  return made;
}
