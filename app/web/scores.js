/** Both answers against a reference: a table in plain words. */

import { make } from "./dom.js";
import { answered } from "./words.js";

/** @typedef {import("./client.js").Scores} Scores */
/** @typedef {{name: string, help: string, of: (scores: Scores) => number | null, show: (value: number) => string, low?: boolean}} Measure */

const percent = (/** @type {number} */ share) => `${Math.round(share * 100)}%`;

/** @type {Measure[]} */
const MEASURES = [
  {
    name: "Words in common, in order",
    help: "ROUGE-L. 100% is the reference word for word.",
    of: (scores) => scores.rouge_l,
    show: percent,
  },
  {
    name: "Words in common, in any order",
    help: "Token F1.",
    of: (scores) => scores.token_f1,
    show: percent,
  },
  {
    name: "Surprise at the reference",
    help: "Bits per byte. Lower: the model finds the reference likelier.",
    of: (scores) => scores.bits_per_byte,
    show: (bits) => bits.toFixed(2),
    low: true,
  },
];

/**
 * Show the scores of a comparison, or nothing where no reference was given.
 * @param {HTMLElement} place
 * @param {import("./client.js").Comparison} comparison
 */
export function showScores(place, { fine_tuned, base }) {
  const scores = [fine_tuned, base].map((side) => answered(side) && side.scores);
  place.hidden = !scores.some(Boolean);
  const head = ["Measure", "Fine-tuned", "Base"].map((name) => make("th", { scope: "col" }, name));
  place.replaceChildren(
    make(
      "table",
      {},
      make("caption", {}, "Against your reference answer"),
      make("thead", {}, make("tr", {}, ...head)),
      make("tbody", {}, ...MEASURES.map((measure) => row(measure, scores))),
    ),
    make("p", { className: "help" }, "Sharing words with a true answer does not make one true."),
  );
}

/** @param {Measure} measure @param {(Scores | undefined | false)[]} scores */
function row(measure, scores) {
  const values = scores.map((each) => (each ? measure.of(each) : undefined));
  const known = /** @type {number[]} */ (values.filter((value) => typeof value === "number"));
  const best = measure.low ? Math.min(...known) : Math.max(...known);
  const differ = known.length === 2 && measure.show(known[0]) !== measure.show(known[1]);
  const cells = values.map((value) => {
    if (value === undefined) return make("td", {}, "–");
    if (value === null) return make("td", {}, "too long");
    const better = differ && value === best;
    return make("td", { className: better ? "better" : "" }, measure.show(value));
  });
  const help = make("span", { className: "help" }, measure.help);
  return make("tr", {}, make("th", { scope: "row" }, measure.name, help), ...cells);
}
