"use strict";
// A table that is sorted by its heads, grows on demand, and can be saved as CSV.
// columns: {label, value(row), cell(row)?, head? (in place of the label), numeric?, plain? (no sorting),
//           csv? (false: not saved), hidden? (saved alone)}

function csvCell(value) {
  let text = known(value) ? String(value) : "";
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`; // a spreadsheet would run it
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csv(columns, rows) {
  const saved = columns.filter((column) => column.csv !== false);
  const lines = [saved.map((column) => csvCell(column.label)), ...rows.map((row) => saved.map((column) => csvCell(column.value(row))))];
  return `${lines.map((cells) => cells.join(",")).join("\r\n")}\r\n`;
}

const csvButton = (name, columns, rows, label = "Save as CSV") => button(label, () => save(`${name}.csv`, csv(columns, rows()), "text/csv"), "small");

function shownAs(content, numeric) {
  if (content instanceof Node) return content;
  if (typeof content === "number") return Number.isInteger(content) ? count(content) : String(content);
  if (!known(content) || content === "") return "–";
  return numeric ? content : words(content);
}

function compare(a, b) {
  if (!known(a) || !known(b)) return known(a) ? -1 : known(b) ? 1 : 0; // what is not known comes last
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

function dataTable({ label, name, columns: given, rows, size = 50, sort = null }) {
  const columns = given.filter((column) => !column.hidden);
  const body = element("tbody");
  const more = button("", () => { shown += size; show(); }, "more");
  const heads = columns.map((column, i) => head(column, i));
  let all = rows, ordered = rows, shown = size, by = sort;

  function head(column, i) {
    const made = element("th", { aria: { scope: "col" }, className: column.numeric ? "number" : "" });
    made.append(column.head || column.plain ? column.head || column.label : button(column.label, () => order(i), "sort"));
    return made;
  }

  function order(i) {
    by = by?.column === i ? { column: i, down: !by.down } : { column: i, down: Boolean(columns[i].numeric) };
    arrange();
  }

  function arrange() {
    ordered = all;
    if (by) {
      const { value } = columns[by.column], sign = by.down ? -1 : 1;
      ordered = [...all].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return known(x) && known(y) ? sign * compare(x, y) : compare(x, y);
      });
    }
    heads.forEach((th, i) => {
      if (by?.column === i) th.setAttribute("aria-sort", by.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    });
    show();
  }

  function cellOf(column, row, i) {
    const content = column.cell ? column.cell(row) : column.value(row);
    const options = { className: column.numeric ? "number" : "" };
    const made = i === 0 ? element("th", { ...options, aria: { scope: "row" } }) : element("td", options);
    made.append(shownAs(content, column.numeric));
    return made;
  }

  function show() {
    body.replaceChildren(...ordered.slice(0, shown).map((row) => element("tr", {}, columns.map((column, i) => cellOf(column, row, i)))));
    const rest = ordered.length - shown;
    more.hidden = rest <= 0;
    more.textContent = `Show ${count(Math.min(rest, size))} more of ${count(rest)}`;
  }

  const title = element("p", { className: "caption", id: freshId("table"), textContent: label });
  const table = element("table", { aria: { labelledby: title.id } }, element("thead", {}, element("tr", {}, heads)), body);
  const made = element("div", { className: "table" }, title, scrolling(label, table), element("p", { className: "tools" }, more, csvButton(name, given, () => ordered)));
  arrange();
  return { element: made, update: (changed) => { all = changed; shown = size; arrange(); } };
}
