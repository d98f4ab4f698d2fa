/** Both answers against a reference: a table in plain words. */

import { make } from "./dom.js";
import { answered, percent } from "./words.js";

const MEASURES = [
  ["Words in common, in order", "ROUGE-L. 100% is the reference word for word.", "rouge_l", percent],
  ["Words in common, in any order", "Token F1.", "token_f1", percent],
  ["Surprise at the reference", "Bits per byte. Lower: the model finds the reference likelier.",
    "bits_per_byte", (bits) => bits.toFixed(2)],
];

/** Show the scores of a comparison, or nothing where no reference was given. */
export function showScores(place, { fine_tuned, base }) {
  const scores = [fine_tuned, base].map((side) => answered(side) && side.scores);
  place.hidden = !scores.some(Boolean);
  const head = ["Measure", "Fine-tuned", "Base"].map((name) => make("th", { scope: "col" }, name));
  const caption = make("caption", {}, "Against your reference answer");
  const rows = MEASURES.map((measure) => row(measure, scores));
  const table = make("table", {}, caption, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  place.replaceChildren(table, make("p", { className: "help" }, "Sharing words with a true answer does not make one true."));
}

function row([name, help, key, show], scores) {
  const values = scores.map((each) => (each ? each[key] : undefined));
  const known = values.filter((value) => typeof value === "number");
  const best = key === "bits_per_byte" ? Math.min(...known) : Math.max(...known);
  const differ = known.length === 2 && show(known[0]) !== show(known[1]);
  const cells = values.map((value) => {
    if (value === undefined) return make("td", {}, "–");
    if (value === null) return make("td", {}, "too long");
    const better = differ && value === best;
    return make("td", { className: better ? "better" : "" }, show(value));
  });
  const title = make("th", { scope: "row" }, name, make("span", { className: "help" }, help));
  return make("tr", {}, title, ...cells);
}
