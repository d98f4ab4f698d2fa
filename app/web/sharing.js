/** A question as a link, whose fragment no server sees, as a curl command, and as a file. */

import { make } from "./dom.js";
import { NUMBERS } from "./form.js";

export function linkTo({ question, options }) {
  const fields = Object.entries({ question, ...options }).map(([name, value]) => [name, `${value}`]);
  return `${location.href.split("#")[0]}#${new URLSearchParams(fields)}`;
}

/** What the page's own address asks, or null. */
export function fromLink() {
  const fields = new URLSearchParams(location.hash.slice(1));
  const question = fields.get("question")?.trim();
  if (!question) return null;
  const options = {};
  for (const name of [...NUMBERS, "seed"]) {
    const value = Number(fields.get(name) || NaN);
    if (Number.isFinite(value)) options[name] = value;
  }
  if (fields.get("grounded") === "false") options.grounded = false;
  const reference = fields.get("reference");
  if (reference?.trim()) options.reference = reference;
  return { question, options };
}

/** Take the question out of the address, which the browser's history would keep. */
export function forgetLink() {
  if (location.hash) history.replaceState(null, "", location.href.split("#")[0]);
}

/** Save a comparison: what was asked, with which settings, of what, and what came. */
export function download({ question, options }, result, info) {
  const { version, models } = info ?? {};
  const saved = { saved_at: new Date().toISOString(), service: { version, models }, question, settings: options, result };
  const url = URL.createObjectURL(
    new Blob([JSON.stringify(saved, null, 2)], { type: "application/json" }),
  );
  make("a", { href: url, download: "medqa-comparison.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The seed that drew both answers, so that a link draws them again. */
export function seeded({ question, options }, result) {
  const seed = result?.fine_tuned?.decoding?.seed ?? result?.base?.decoding?.seed;
  return { question, options: Number.isSafeInteger(seed) ? { ...options, seed } : options };
}

/** With the key's name where one is needed: the key itself is never copied. */
export function curl(baseUrl, { question, options }, keyed) {
  const body = JSON.stringify({ question, ...options });
  return [
    `curl -s '${new URL("compare", baseUrl)}'`,
    ...(keyed ? [`-H "Authorization: Bearer $MEDQA_KEY"`] : []),
    "-H 'Content-Type: application/json'",
    `-d '${body.replaceAll("'", `'\\''`)}'`,
  ].join(" \\\n  ");
}
