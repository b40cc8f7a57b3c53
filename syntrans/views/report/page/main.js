"use strict";
// The page: one section a part, in the order in which they were named.

const KINDS = { mining };

function contents(parts) {
  const links = parts.flatMap(({ made }) => [...made.querySelectorAll("h2, h3")].map((heading) => {
    const link = element("a", { href: `#${heading.id}`, className: heading.tagName.toLowerCase() }, words(heading.textContent));
    link.addEventListener("click", () => heading.focus());
    return element("li", {}, link);
  }));
  document.getElementById("contents").replaceChildren(element("ul", {}, links));
}

function show(data) {
  ledgers.length = 0;
  const parts = data.parts.map((part) => ({ part, made: section(2, part.title, ...KINDS[part.kind](part)) }));
  document.getElementById("content").replaceChildren(...parts.map(({ made }) => made));
  contents(parts);
  showCorrections();
}

addEventListener("beforeunload", (event) => {
  if (ledgers.some(({ made, saved }) => made.length && !saved)) event.preventDefault();
});
show(JSON.parse(document.getElementById("data").textContent));
