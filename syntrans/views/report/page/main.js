"use strict";
// The page: one section a part, in the order in which they were named; a live one asks its own server for news.

const KINDS = { mining, evaluation, training, imagined, prediction, figures, working };
const WAIT = 2000; // milliseconds between two questions

function contents(parts) {
  const link = (heading, level) => {
    const made = element("a", { href: `#${heading.id}`, className: level }, words(heading.textContent));
    made.addEventListener("click", () => heading.focus());
    return made;
  };
  const lists = parts.map(({ made }) => element("li", {},
    link(made.querySelector("h2"), "h2"),
    element("ul", {}, [...made.querySelectorAll("h3")].map((heading) => element("li", {}, link(heading, "h3"))))));
  document.getElementById("contents").replaceChildren(element("ul", {}, lists));
}

function show(data) {
  ledgers.length = 0;
  const parts = data.parts.map((part) => ({ part, made: section(2, part.title, ...KINDS[part.kind](part)) }));
  document.getElementById("content").replaceChildren(...parts.map(({ made }) => made));
  contents(parts);
  showCorrections();
}

async function follow(seen) {
  let next = seen;
  const correcting = ledgers.some(({ made }) => made.length); // a page that is made anew would lose them
  try {
    const reply = correcting ? null : await fetch(`/data.json?seen=${seen}`);
    if (reply?.status === 200) {
      const { version, data } = await reply.json();
      const at = scrollY;
      show(data);
      scrollTo(0, at);
      next = version;
      announce("the page shows what is new");
    }
  } catch {
    announce("the run is not followed any more: its server does not answer");
  }
  setTimeout(() => follow(next), WAIT);
}

addEventListener("beforeunload", (event) => {
  if (ledgers.some(({ made, saved }) => made.length && !saved)) event.preventDefault();
});
const given = JSON.parse(document.getElementById("data").textContent);
show(given);
if (given.live) follow("");
