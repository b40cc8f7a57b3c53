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

// A part that is not as it should be does not take the others with it.
function built(part) {
  try {
    return KINDS[part.kind](part);
  } catch (error) {
    console.error(error);
    return [element("p", { className: "warning" }, "This run cannot be shown: ", words(String(error)))];
  }
}

let shown = []; // {part, text, made}

// What has not changed since stays in its place, with its filters, its open rows and the focus.
function show(data) {
  const parts = data.parts.map((part) => {
    const text = data.live ? JSON.stringify(part) : ""; // a file is shown once
    return (text && shown.find((one) => one.text === text)) || { part, text, made: section(2, part.title, ...built(part)) };
  });
  const place = document.getElementById("content"), before = [...place.children];
  if (before.length === parts.length) parts.forEach(({ made }, i) => { if (before[i] !== made) before[i].replaceWith(made); });
  else place.replaceChildren(...parts.map(({ made }) => made));
  if (parts.some((one) => !shown.includes(one))) contents(parts);
  shown = parts;
  ledgers.splice(0, ledgers.length, ...ledgers.filter(({ ledger }) => parts.some(({ part }) => part === ledger.part)));
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
