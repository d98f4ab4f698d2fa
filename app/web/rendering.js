/** A finished answer: what goes in circles folded, each sentence with its mark. */

import { find, make } from "./dom.js";
import { readFirst, sources } from "./published.js";
import { counted } from "./words.js";

/** A run of up to 7 letters that comes 12 times or more, or of up to 240 that comes three times. */
const CIRCLE = /(\S{1,7}?)\1{11,}|(?<!\S)(\S[^]{7,239}?)(?:\s*\2){2,}/g;
/** What a model that found nothing to read says: nothing to compare. */
const NOTHING = "The published answers found do not tell.";
const MARKS = {
  stands_in: "Stands in a published answer",
  contradicts: "Contradicts a published answer",
  not_found: "Not found in the published answers above",
  unchecked: "Unchecked",
};

/** Fill an answer's element. Its text stays the whole answer, whatever is folded. */
export function render(place, side, alone) {
  const { answer, spans } = side;
  const sentences = answer === NOTHING ? [] : (side.sentences ?? []);
  const foot = find(".problem", place.parentElement);
  const letters = Array.from(answer); // code points
  const pieces = (from, to) => marked(letters, from, to, sentences, spans ?? []);
  let end = /^\s*/.exec(answer)[0].length;
  const parts = [make("span", { hidden: true }, answer.slice(0, end))];
  const runs = circles(answer);
  for (const [from, to, times] of runs) {
    const again = make("span", { className: "again" }, make("span", {}, ...pieces(from, to)));
    again.dataset.times = `… and the same ${times} times more`;
    parts.push(...pieces(end, from), again);
    end = to;
  }
  place.replaceChildren(...parts, ...pieces(end, letters.length));
  if (runs.length) foot.before(toggle(place));
  foot.before(...readFirst(side, alone));
  if (!sentences.length) return;
  const count = (mark) => sentences.filter((each) => each.mark === mark).length;
  const counts = Object.keys(MARKS).filter(count).map((mark) => `${MARKS[mark]}: ${count(mark)}`);
  const compare = spans?.length || sentences.some(({ published }) => published);
  const more = compare ? " Choose a sentence to compare it." : sources.size ? "" : " Nothing published to compare with.";
  const note = make("p", { className: "help" }, `${counts.join("; ")}.${more}`);
  foot.before(note, make("div", { className: "beside", role: "status" }));
}

function circles(text) {
  return [...text.matchAll(CIRCLE)].map(({ 0: whole, 1: short, 2: once = short, index }) => {
    const from = Array.from(text.slice(0, index + once.length)).length;
    const times = whole.split(once).length - 2;
    return [from, from + Array.from(whole.slice(once.length)).length, times];
  });
}

function marked(letters, from, to, sentences, spans) {
  const text = (start, end) => letters.slice(start, end).join("");
  const parts = [];
  for (const each of sentences) {
    const [first, last] = [Math.max(each.start, from), Math.min(each.end, to)];
    if (first >= last) continue;
    const stock = spans.find(({ start, end }) => start < each.end && end > each.start);
    const part = text(first, last); // blank, where the rest is folded: no button
    parts.push(text(from, first), part.trim() ? choice(part, { ...each, claim: text(each.start, each.end), stock }) : part);
    from = last;
  }
  return [...parts, text(from, to)];
}

/** A sentence that shows what was published beside it. */
function choice(text, sentence) {
  const mark = make("mark", { tabIndex: 0, role: "button", className: sentence.mark }, text);
  mark.ariaDescription = MARKS[sentence.mark];
  mark.addEventListener("click", () => find(".beside", mark.closest(".side")).replaceChildren(...beside(sentence)));
  mark.addEventListener("keydown", (event) => {
    if (!/^(Enter| )$/.test(event.key)) return;
    event.preventDefault();
    mark.click();
  });
  return mark;
}

function beside({ claim, mark, why, text_id, published, start, end, stock }) {
  const says = (before, quoted) => make("p", {}, before, make("q", { dir: "auto" }, quoted));
  const told = [says("The model says: ", claim), make("p", {}, MARKS[mark] + (why ? ` in ${why}.` : "."))];
  if (published) told.push(says(`${sources.get(text_id) ?? "Published"}: `, published));
  if (stock) {
    const what = stock.end - stock.start > 0.9 * (end - start) ? "This sentence" : "A part of it";
    told.push(make("p", {}, `${what} stands in ${counted(stock.answers, "published answer")} on ${counted(stock.topics, "topic")}.`));
  }
  return told;
}

function toggle(place) {
  const button = make("button", { type: "button", className: "quiet unfold" });
  button.addEventListener("click", () => {
    const folded = place.classList.toggle("folded");
    button.textContent = folded ? "Show the repetition" : "Fold the repetition";
  });
  button.click();
  return button;
}
