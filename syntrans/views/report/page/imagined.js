"use strict";
// A run of imagine: the sheet of its pictures, and what CLIP kept of every class.

function imagined(part) {
  const table = dataTable({
    label: "Pictures of every class", name: "imagined", rows: part.classes,
    columns: [
      { label: "class", value: (row) => row.name, cell: (row) => words(row.name) }, { label: "id", value: (row) => row.id, cell: (row) => words(row.id) },
      { label: "pictures", value: (row) => row.pictures, numeric: true }, { label: "kept", value: (row) => row.kept, numeric: true },
      { label: "not kept", value: (row) => row.dropped },
    ],
  });
  const sheet = part.sheet ? element("img", { src: part.sheet, alt: "contact sheet: a row of pictures for every class, framed green where kept and red where not" }) : element("p", { textContent: "the contact sheet is gone" });
  return [
    section(3, "Contact sheet", scrolling("Contact sheet", sheet)),
    section(3, "What CLIP kept", table.element),
    provenance(part),
    notShown(part),
  ];
}
