/** A question as a link, whose fragment no server sees, and as a curl command. */

import { NUMBERS } from "./form.js";

/** @typedef {import("./form.js").Asked} Asked */

/** @param {Asked} asked */
export function linkTo({ question, options }) {
  const fields = Object.entries({ question, ...options }).map(([name, value]) => [name, `${value}`]);
  return `${location.href.split("#")[0]}#${new URLSearchParams(fields)}`;
}

/** @returns {Asked | null} what the page's own address asks */
export function fromLink() {
  const fields = new URLSearchParams(location.hash.slice(1));
  const question = fields.get("question")?.trim();
  if (!question) return null;
  /** @type {Record<string, number | string>} */
  const options = {};
  for (const name of NUMBERS) {
    const value = Number(fields.get(name) || NaN);
    if (Number.isFinite(value)) options[name] = value;
  }
  const reference = fields.get("reference");
  if (reference?.trim()) options.reference = reference;
  return { question, options };
}

/** Take the question out of the address, which the browser's history would keep. */
export function forgetLink() {
  if (location.hash) history.replaceState(null, "", location.href.split("#")[0]);
}

/**
 * @param {string | URL} baseUrl
 * @param {Asked} asked
 * @param {boolean} keyed whether a key is needed; the key itself is never copied
 */
export function curl(baseUrl, { question, options }, keyed) {
  const body = JSON.stringify({ question, ...options });
  return [
    `curl -s '${new URL("compare", baseUrl)}'`,
    ...(keyed ? [`-H "Authorization: Bearer $MEDQA_KEY"`] : []),
    "-H 'Content-Type: application/json'",
    `-d '${body.replaceAll("'", `'\\''`)}'`,
  ].join(" \\\n  ");
}
