"use strict";
// A training: its curves, and what val chose. Also a run that is not finished.

function training(part) {
  const alpha = part.bridge.filter((one) => one.curve);
  return [
    section(3, "Data", trainedOn(part)),
    ...curves(part.curves),
    ...(alpha.length ? [section(3, "Accuracy over α, on val", ...alphaOnVal(alpha))] : []),
    section(3, "What val chose", ...chosen(part.methods, part.bridge), ...ridge(part.ridge)),
    section(3, "Seconds", seconds(part.seconds)),
    provenance(part),
    notShown(part),
  ];
}

function trainedOn(part) {
  const rows = Object.entries(part.data).map(([name, data]) => ({ name, ...data }));
  return dataTable({
    label: "What it was trained and chosen on", name: "data", rows,
    columns: [
      { label: "part", value: (row) => row.name }, { label: "classes", value: (row) => row.classes, numeric: true },
      { label: "pictures", value: (row) => row.images, numeric: true },
      { label: "their names", value: (row) => (row.names || []).join(", "), cell: (row) => folded("show", words((row.names || []).join(", "))), plain: true },
    ],
  }).element;
}

const GROUPS_OF_CURVES = [["Loss", /loss|entropy|distill|relation|rotation|contrast/], ["Accuracy on val", /accuracy|val/], ["Learning rate", /^lr$/]];

function curves(logs) {
  return logs.map((log) => {
    const keys = [...new Set(log.rows.flatMap(Object.keys))].filter((key) => key !== "epoch");
    const charts = GROUPS_OF_CURVES.flatMap(([title, pattern]) => {
      const lines = keys.filter((key) => pattern.test(key)).map((key) => ({ name: key, points: log.rows.filter((row) => known(row[key])).map((row) => [row.epoch, row[key]]) }));
      return lines.length ? [lineChart(`${title} of ${log.name} over epochs`, lines, { x: "epoch", y: title, height: 220 })] : [];
    });
    const columns = ["epoch", ...keys].map((key) => ({ label: key, value: (row) => row[key] ?? null, cell: (row) => (known(row[key]) ? String(Number(row[key].toPrecision(5))) : ""), numeric: true }));
    const table = dataTable({ label: "Every epoch", name: `epochs-${log.name}`, columns, rows: log.rows, size: 20 });
    return section(3, `Epochs of ${log.name}`, element("div", { className: "charts" }, charts), folded("Every epoch", table.element));
  });
}

const TEXTS = {
  kept: "descriptors", unnamed: "descriptors without class names", classname_free: "descriptors without class names", none: "no text", name: "class names",
  random: "random words", shuffled: "descriptors of other classes", raw: "unchecked descriptors",
};
const textName = (variant) => TEXTS[variant] || variant;

// The text of the method itself stands first; the others are its controls, and in the table alone.
function alphaOnVal(choices) {
  const lines = choices.filter((one) => one.variant === choices[0].variant).map((one) => ({
    name: `${one.shots}-shot, ${textName(one.variant)}`, points: one.curve.map(([alpha, value]) => [alpha, 100 * value]), marks: [[one.alpha, 100 * one.val]],
  }));
  const rows = choices.flatMap((one) => one.curve.map(([alpha, value]) => ({ text: textName(one.variant), shots: one.shots, alpha, value: 100 * value })));
  const table = dataTable({
    label: "Accuracy at every α", name: "alpha-on-val", rows, size: 21,
    columns: [
      { label: "text", value: (row) => row.text }, { label: "shots", value: (row) => row.shots, numeric: true },
      { label: "α", value: (row) => row.alpha, cell: (row) => fixed(row.alpha), numeric: true }, { label: "accuracy", value: (row) => row.value, cell: (row) => fixed(row.value), numeric: true },
    ],
  });
  return [lineChart("Accuracy on val over α; the dot is the α that was chosen", lines, { x: "α (0: pictures alone, 1: text alone)", y: "Accuracy in percent" }), folded("As a table, with its controls", table.element)];
}

function ridge(choices) {
  if (!choices.length) return [];
  const keys = [...new Set(choices.flatMap(Object.keys))];
  const columns = keys.map((key) => ({ label: key.replaceAll("_", " "), value: (row) => row[key], numeric: typeof choices[0][key] === "number", cell: (row) => (typeof row[key] === "number" ? String(Number(row[key].toPrecision(4))) : String(row[key] ?? "")) }));
  return [dataTable({ label: "The ridge map, a baseline of the bridge", name: "ridge", columns, rows: choices }).element];
}

function seconds(found) {
  const rows = Object.entries(found);
  return dataTable({ label: "Seconds, over all parts of a training that was stopped", name: "seconds", rows, columns: [{ label: "stage", value: ([name]) => name }, { label: "seconds", value: ([, value]) => value, cell: ([, value]) => fixed(value, 1), numeric: true }] }).element;
}

function working(part) {
  const rows = part.answers;
  const answers = dataTable({
    label: "Answers until now", name: "answers", rows,
    columns: [{ label: "stage", value: (row) => row.stage }, { label: "model", value: (row) => row.model }, { label: "answers", value: (row) => row.answers, numeric: true }],
  });
  return [
    ...(rows.length ? [section(3, "Answers", answers.element)] : []),
    ...curves(part.curves),
    ...(Object.keys(part.seconds).length ? [section(3, "Seconds", seconds(part.seconds))] : []),
    notShown(part),
  ];
}

function figures(part) {
  const made = [];
  if (part.alpha.length) {
    const groups = [...new Set(part.alpha.map((row) => `${row.split}, ${row.shots}-shot`))];
    const mark = (name) => part.chosen.filter((curve) => `${curve.split}, ${curve.shots}-shot` === name).map((curve) => [curve.chosen.alpha, curve.chosen.mean]);
    const lines = groups.map((name) => ({ name, points: part.alpha.filter((row) => `${row.split}, ${row.shots}-shot` === name).map((row) => [row.alpha, 100 * row.accuracy, 100 * row.half_width]), marks: mark(name) }));
    const columns = ["split", "shots", "alpha", "accuracy", "half_width", "episodes"].map((key) => ({ label: key.replace("_", " "), value: (row) => row[key], numeric: key !== "split", cell: (row) => (["accuracy", "half_width"].includes(key) ? fixed(100 * row[key]) : String(row[key])) }));
    const table = dataTable({ label: "Accuracy in percent at every α", name: "alpha", columns, rows: part.alpha, size: 21 });
    made.push(section(3, "Accuracy over α", lineChart("Accuracy over α with 95 % intervals; a dot is the α that val chose", lines, { x: "α (0: pictures alone, 1: text alone)", y: "Accuracy in percent" }), folded("As a table", table.element)));
  }
  if (part.weights.panels.length) made.push(section(3, "Classifier weights of novel classes (t-SNE)", ...weights(part)));
  return [...made, provenance(part), notShown(part)];
}

function weights(part) {
  const { classes, panels } = part.weights;
  const place = element("div", { className: "panels" });
  const draw = (chosenClass) => place.replaceChildren(...panels.map((panel) => {
    const numbers = part.numbers.find((one) => one.shots === panel.shots && one.weights === panel.weights);
    const points = panel.points.map(([x, y, group]) => ({ x, y, group }));
    return element("figure", {}, element("figcaption", { textContent: `${panel.name}${numbers ? `, silhouette ${fixed(numbers.silhouette)}` : ""}` }), scatter(`${panel.name}: one point for each draw of supports`, points, classes, chosenClass));
  }));
  draw(-1);
  const pick = choice("Show one class", [[-1, "all"], ...classes.map((name, i) => [i, name])], -1, (value) => draw(Number(value)));
  const columns = Object.keys(part.numbers[0] || {}).map((key) => ({ label: key, value: (row) => row[key], numeric: typeof part.numbers[0][key] === "number", cell: (row) => (typeof row[key] === "number" ? String(row[key]) : row[key]) }));
  const table = dataTable({ label: "How well weights of one class lie together", name: "weights", columns, rows: part.numbers });
  const places = panels.flatMap((panel) => panel.points.map(([x, y, group]) => ({ panel, x, y, group })));
  const point = [["shots", (one) => one.panel.shots], ["weights", (one) => one.panel.weights], ["class", (one) => classes[one.group]], ["x", (one) => one.x / 100], ["y", (one) => one.y / 100]];
  const points = csvButton("weights-points", point.map(([label, value]) => ({ label, value })), () => places, "Save the points as CSV");
  return [pick, place, element("p", { className: "tools" }, points), table.element];
}
