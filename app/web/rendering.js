/** A finished answer as it is read: what goes in circles folded, what is doubtful marked. */

import { make } from "./dom.js";
import { nearest } from "./published.js";

/** A run of 8 to 240 letters that comes three times or more, one after the other. */
const CIRCLE = /(?<!\S)(\S[^]{7,239}?)(?:\s*\1){2,}/g;
const WHY = "not found in the published answers above";

/** Fill an answer's element. Its text stays the whole answer, whatever is folded. */
export function render(place, text, doubtful) {
  const letters = Array.from(text); // code points, as spans count
  const pieces = (from, to) => marked(letters, from, to, doubtful);
  const parts = [];
  let end = 0;
  for (const [from, to, times] of circles(text)) {
    const again = make("span", { className: "again" }, make("span", {}, ...pieces(from, to)));
    again.dataset.times = `… and the same ${times} times more`;
    parts.push(...pieces(end, from), again);
    end = to;
  }
  place.replaceChildren(...parts, ...pieces(end, letters.length));
  if (end) place.after(toggle(place));
  if (doubtful.length) {
    const note = make("p", { className: "help" }, `Dotted: ${WHY}. Choose a sentence to compare it.`);
    place.after(note, make("div", { className: "beside", role: "status" }));
  }
}

/** What repeats, and how often. */
function circles(text) {
  return [...text.matchAll(CIRCLE)].map(({ 0: whole, 1: once, index }) => {
    const from = Array.from(text.slice(0, index + once.length)).length;
    const times = whole.split(once).length - 2;
    return [from, from + Array.from(whole.slice(once.length)).length, times];
  });
}

function marked(letters, from, to, spans) {
  const parts = [];
  for (const [start, stop] of spans) {
    const [first, last] = [Math.max(start, from), Math.min(stop, to)];
    if (first >= last) continue;
    parts.push(letters.slice(from, first).join(""), doubt(letters.slice(first, last).join("")));
    from = last;
  }
  return [...parts, letters.slice(from, to).join("")];
}

/** A sentence that shows what was published beside it. */
function doubt(claim) {
  const mark = make("mark", { tabIndex: 0, role: "button" }, claim);
  mark.ariaDescription = WHY;
  const open = () => beside(mark, claim);
  mark.addEventListener("click", open);
  mark.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    open();
  });
  return mark;
}

function beside(mark, claim) {
  const found = nearest(claim);
  const published = found
    ? [`Nearest published sentence, ${found.source}: `, make("q", {}, found.sentence)]
    : ["Nothing published above shares its words."];
  mark.closest(".side")?.querySelector(".beside")?.replaceChildren(
    make("p", {}, "The model says: ", make("q", {}, claim.trim())),
    make("p", {}, ...published),
  );
}

function toggle(place) {
  place.classList.add("folded");
  const button = make("button", { type: "button", className: "quiet unfold" }, "Show the repetition");
  button.addEventListener("click", () => {
    const folded = place.classList.toggle("folded");
    button.textContent = folded ? "Show the repetition" : "Fold the repetition";
  });
  return button;
}
