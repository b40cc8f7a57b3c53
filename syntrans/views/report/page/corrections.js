"use strict";
// A person's corrections on the page: kept here until they are saved as a file, which `syntrans edit` reads.

const FACETS = ["shape", "colour", "texture", "part", "material", "size", "pose", "context", "other"];

class Corrections {
  constructor(ledger, changed) {
    Object.assign(this, { ledger, changed, made: [] });
  }

  of(classId, text) { return this.made.findIndex((one) => one.class === classId && one.text === text); }

  put(one) {
    this.made.push(one);
    this.after();
  }

  drop(i) {
    this.made.splice(i, 1);
    this.after();
  }

  after() {
    this.saved = false;
    this.changed();
    showCorrections();
  }

  // The button beside a row: take it out, restore it, or take the correction back.
  control(row) {
    const { columns, classes } = this.ledger;
    const classId = classes[columns.class[row]][0], text = columns.text[row], kept = this.ledger.kept(row);
    const done = this.of(classId, text);
    const asked = !kept && this.ledger.ends[columns.ended[row]][0] === "propose"; // a question without an answer is no statement
    if (asked) return null;
    const action = kept ? "veto" : "restore";
    const name = done >= 0 ? "Undo" : kept ? "Veto" : "Restore";
    const made = button(name, () => {
      if (done >= 0) this.drop(done);
      else this.put({ action, class: classId, text });
      document.querySelector(`[data-row="${columns.id[row]}"]`)?.focus();
    }, done >= 0 ? "small pressed" : "small");
    made.dataset.row = columns.id[row];
    made.setAttribute("aria-label", `${name}: ${text.slice(0, 80)}`);
    return made;
  }

  // What is missing of a class.
  form(c) {
    const classId = this.ledger.classes[c][0];
    const text = element("input", { type: "text", autocomplete: "off", required: true }), facet = element("select", {}, FACETS.map((one) => element("option", { textContent: one })));
    facet.value = "other";
    const form = element("form", { className: "filters" }, labelled(`A new descriptor of ${this.ledger.className(c)}`, text), labelled("Facet of it", facet), element("button", { textContent: "Add" }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (text.value.trim()) this.put({ action: "add", class: classId, text: text.value.trim(), facet: facet.value });
    });
    const added = this.made.map((one, i) => [one, i]).filter(([one]) => one.action === "add" && one.class === classId);
    const list = added.map(([one, i]) => element("li", {}, words(one.text), " ", button("Undo", () => this.drop(i), "small")));
    return [form, ...(list.length ? [element("ul", {}, list)] : [])];
  }

  save() {
    const { run_id, place } = this.ledger.part;
    save("edits.json", `${JSON.stringify({ syntrans_edits: 1, run_id, edits: this.made }, null, 2)}\n`, "application/json");
    announce(`saved; apply it with: syntrans edit ${quoted(place)} --edits edits.json`);
    this.saved = true;
    showCorrections();
  }
}

const ledgers = []; // the corrections of every part of the page

const quoted = (text) => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function showCorrections() {
  const place = document.getElementById("corrections");
  const made = ledgers.filter(({ made: list }) => list.length);
  place.hidden = !made.length;
  place.replaceChildren(...made.flatMap((one) => [
    element("p", {}, `${plural(one.made.length, "correction", "corrections")} of `, words(one.ledger.part.title), ". Save them, then run "),
    element("code", {}, words(`syntrans edit ${quoted(one.ledger.part.place)} --edits edits.json`)),
    element("p", { className: "tools" }, button("Save edits.json", () => one.save()), button("Forget them", () => { one.made.length = 0; one.after(); }, "small")),
  ]));
}
