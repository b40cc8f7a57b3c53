"use strict";
// Charts as SVG, drawn anew for the width that there is; the table beside a chart has its numbers.

const COLOURS = 8;
const WHISKER = 168; // how wide an interval in a table's cell is drawn
const colour = (i) => `c${i % COLOURS}`;

function chart(label, height, draw) {
  const made = element("div", { className: "chart" });
  const redraw = () => {
    const width = Math.floor(made.clientWidth);
    if (width < 40) return;
    const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
    draw(picture, width, height);
    made.replaceChildren(picture);
  };
  new ResizeObserver(redraw).observe(made);
  return made;
}

function ticks(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  const unit = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 5, 10].map((times) => times * unit).find((size) => size >= rough) || unit;
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9 * step; at += step) found.push(Number(at.toPrecision(10)));
  return found;
}

// lines: [{name, points: [[x, y, half width?]], marks: [[x, y]]}]
function lineChart(label, lines, { x, y, height = 260 }) {
  const points = lines.flatMap((line) => line.points);
  const [left, right] = extent(points.map(([at]) => at));
  const [low, high] = extent(points.flatMap(([, value, half = 0]) => [value - half, value + half]));
  const picture = chart(label, height, (svg, width) => {
    const edge = { left: 52, right: 12, top: 10, bottom: 40 };
    const px = (value) => edge.left + ((value - left) / (right - left)) * (width - edge.left - edge.right);
    const py = (value) => height - edge.bottom - ((value - low) / (high - low)) * (height - edge.top - edge.bottom);
    for (const at of ticks(low, high, 5)) {
      svg.append(drawn("line", { x1: edge.left, x2: width - edge.right, y1: py(at), y2: py(at), class: "grid" }));
      svg.append(note(edge.left - 6, py(at) + 4, String(at), "end"));
    }
    for (const at of ticks(left, right, Math.max(2, Math.floor(width / 90)))) svg.append(note(px(at), height - edge.bottom + 16, String(at), "middle"));
    svg.append(note((edge.left + width) / 2, height - 6, x, "middle"));
    lines.forEach((line, i) => {
      if (line.points.some(([, , half]) => half)) {
        const upper = line.points.map(([at, value, half = 0]) => `${px(at)},${py(value + half)}`);
        const lower = line.points.map(([at, value, half = 0]) => `${px(at)},${py(value - half)}`).reverse();
        svg.append(drawn("polygon", { points: [...upper, ...lower].join(" "), class: `band ${colour(i)}` }));
      }
      svg.append(drawn("polyline", { points: line.points.map(([at, value]) => `${px(at)},${py(value)}`).join(" "), class: `line ${colour(i)}` }));
      for (const [at, value] of line.marks || []) svg.append(drawn("circle", { cx: px(at), cy: py(value), r: 5, class: `dot ${colour(i)}` }));
    });
  });
  return element("figure", {}, element("figcaption", { textContent: y }), picture, legend(lines.map((line) => line.name)));
}

function extent(values) {
  const finite = values.filter(Number.isFinite);
  const low = Math.min(...finite), high = Math.max(...finite);
  return low < high ? [low, high] : [low - 0.5, low + 0.5];
}

function note(x, y, text, anchor) {
  const made = drawn("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}

function legend(names) {
  return element("ul", { className: "legend" }, names.map((name, i) => {
    const key = drawn("svg", { width: 22, height: 10, "aria-hidden": "true" }, drawn("line", { x1: 0, x2: 22, y1: 5, y2: 5, class: `line ${colour(i)}` }));
    return element("li", {}, key, words(name));
  }));
}

// A bar in a table's cell, from 0 to `whole`.
function bar(part, whole) {
  const made = drawn("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", class: "bar", "aria-hidden": "true" });
  made.append(drawn("rect", { x: 0, y: 0, width: 100, height: 8, class: "ground" }), drawn("rect", { x: 0, y: 0, width: whole ? (100 * part) / whole : 0, height: 8 }));
  return made;
}

// An interval in a table's cell, on the axis from low to high; `zero` is where a line stands through all cells.
function whisker({ mean, half_width: half }, [low, high], kind, text, zero = null) {
  const at = (value) => (WHISKER * (Math.min(high, Math.max(low, value)) - low)) / (high - low);
  const made = drawn("svg", { viewBox: `-6 0 ${WHISKER + 12} 18`, class: `whisker ${kind}`, role: "img", "aria-label": text });
  for (const tick of ticks(low, high, 4)) made.append(drawn("line", { x1: at(tick), x2: at(tick), y1: 0, y2: 18, class: tick === zero ? "zero" : "grid" }));
  const x = at(mean), tip = mean < low ? x - 5 : x + 5;
  const mark = low <= mean && mean <= high ? drawn("circle", { cx: x, cy: 9, r: 4 }) : drawn("polygon", { points: `${tip},9 ${2 * x - tip},4 ${2 * x - tip},14` });
  made.append(drawn("line", { x1: at(mean - half), x2: at(mean + half), y1: 9, y2: 9, class: "half" }), mark);
  return made;
}

function axis(low, high) {
  const made = drawn("svg", { viewBox: `-6 0 ${WHISKER + 12} 16`, class: "axis", "aria-hidden": "true" });
  for (const tick of ticks(low, high, 4)) made.append(note((WHISKER * (tick - low)) / (high - low), 12, String(tick).replace("-", "−"), "middle"));
  return made;
}

// panels of points: {title, points: [{x, y, group}]}; groups are numbered names.
function scatter(label, points, groups, chosen) {
  return chart(label, 300, (svg, width, height) => {
    const [left, right] = extent(points.map((point) => point.x)), [low, high] = extent(points.map((point) => point.y));
    points.forEach((point) => {
      const cx = 8 + ((point.x - left) / (right - left)) * (width - 16), cy = height - 8 - ((point.y - low) / (high - low)) * (height - 16);
      const faded = chosen !== -1 && point.group !== chosen ? " faded" : "";
      const name = drawn("title"); // shown where the mouse stands
      name.textContent = groups[point.group];
      svg.append(drawn("circle", { cx: cx.toFixed(1), cy: cy.toFixed(1), r: 3, class: `point ${colour(point.group)}${faded}` }, name));
    });
  });
}
