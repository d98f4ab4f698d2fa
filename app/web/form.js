/** The question, its settings and the reference: read, filled in, and what is wrong with them. */

import { find, make } from "./dom.js";

/** @typedef {import("./client.js").Decoding & {reference?: string}} Options */
/** @typedef {{question: string, options: Options}} Asked */

/** @type {[name: string, label: string, help: string, more: Partial<HTMLInputElement>][]} */
const SETTINGS = [
  ["max_new_tokens", "Longest answer", "In tokens, of about three quarters of a word.", { min: "1" }],
  ["temperature", "Randomness", "Temperature, 0 to 2. Above 0, unlikelier words get a chance.",
    { max: "2", step: "any", placeholder: "0" }],
  ["top_p", "Keep the likeliest share", "Top-p, up to 1. Draws only from words that hold this share.",
    { max: "1", step: "any", placeholder: "1" }],
  ["top_k", "Keep the likeliest few", "Top-k. Draws only from this many words.",
    { placeholder: "all" }],
  ["no_repeat_ngram_size", "Never repeat a run of", "In tokens. 0 lets both models go in circles.",
    { placeholder: "each model’s own" }],
];
export const NUMBERS = SETTINGS.map(([name]) => name);

/** One for each type of question in MedQuAD that people ask often. */
const EXAMPLES = {
  symptoms: "What are the symptoms of asthma?",
  treatment: "What are the treatments for psoriasis?",
  causes: "What causes kidney stones?",
  inheritance: "Is hemophilia inherited?",
  tests: "How is celiac disease diagnosed?",
  prevention: "How can a stroke be prevented?",
  outlook: "What is the outlook for Bell's palsy?",
};

const form = find("#form");
const question = find("#question");
const reference = find("#reference");
/** @param {string} name */
const input = (name) => find(`[name="${name}"]`, form);

/** @returns {Asked | null} null, once it is said what is wrong */
export function read() {
  clearErrors();
  const errors = NUMBERS.filter((name) => input(name).validity.badInput).map((field) => ({
    field,
    message: "must be a number",
  }));
  if (!question.value.trim()) errors.push({ field: "question", message: "Write a question first." });
  if (showErrors(errors)) return null;
  /** @type {Record<string, number | string>} */
  const options = {};
  for (const name of NUMBERS) if (input(name).value) options[name] = input(name).valueAsNumber;
  if (reference.value.trim()) options.reference = reference.value;
  return { question: question.value.trim(), options };
}

/** @param {Asked} asked */
export function fill({ question: text, options }) {
  clearErrors();
  question.value = text;
  for (const name of NUMBERS) input(name).value = /** @type {any} */ (options)[name] ?? "";
  reference.value = options.reference ?? "";
  if (NUMBERS.some((name) => input(name).value)) open("settings");
  if (reference.value) open("reference-panel");
}

/**
 * Show each error at its field, and go to the first.
 * @param {{field: string, message: string}[]} errors
 * @returns {boolean} whether there were any that have a place
 */
export function showErrors(errors) {
  const placed = errors.filter(({ field }) => form.querySelector(`#${CSS.escape(field)}-error`));
  for (const { field, message } of placed) {
    const wrong = input(field);
    wrong.setAttribute("aria-invalid", "true");
    find(`#${field}-error`, form).textContent = message;
    const panel = wrong.closest(".panel");
    if (panel) open(panel.id);
  }
  if (placed.length) input(placed[0].field).focus();
  return placed.length > 0;
}

function clearErrors() {
  for (const place of form.querySelectorAll(".error")) place.textContent = "";
  for (const wrong of form.querySelectorAll("[aria-invalid]")) wrong.removeAttribute("aria-invalid");
}

/** @param {string} panel @param {boolean} shown */
function open(panel, shown = true) {
  find(`#${panel}`).hidden = !shown;
  find(`[aria-controls="${panel}"]`).ariaExpanded = String(shown);
}

/** Show the service's own limits. @param {Record<string, number>} limits */
export function showLimits(limits) {
  const longest = input("max_new_tokens");
  longest.max = limits.max_new_tokens;
  longest.placeholder = limits.default_new_tokens;
}

/** Make the form usable. @param {() => void} send @param {() => void} stop */
export function install(send, stop) {
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    send();
  });
  question.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  find("#stop").addEventListener("click", stop);
  addEventListener("keydown", (event) => event.key === "Escape" && stop());
  for (const button of form.querySelectorAll("[aria-controls]")) {
    button.addEventListener("click", () => open(button.getAttribute("aria-controls"), button.ariaExpanded !== "true"));
  }
  find("#settings .fields").append(...SETTINGS.map(setting));
  find("#examples").append(...Object.entries(EXAMPLES).map(example));
}

/** @param {(typeof SETTINGS)[number]} setting */
function setting([name, label, help, more]) {
  const number = make("input", { id: name, name, type: "number", min: "0", ...more });
  number.setAttribute("aria-describedby", `${name}-help ${name}-error`);
  return make(
    "div",
    {},
    make("label", { htmlFor: name }, label),
    number,
    make("p", { className: "help", id: `${name}-help` }, help),
    make("p", { className: "error", id: `${name}-error` }),
  );
}

/** @param {[string, string]} example */
function example([type, text]) {
  const button = make("button", { type: "button", className: "example", title: text }, type);
  button.addEventListener("click", () => {
    question.value = text;
    question.focus();
  });
  return button;
}

/** Offer to stop while an answer is made. @param {boolean} running */
export function showRunning(running) {
  const button = find("#stop");
  const focused = document.activeElement === button;
  button.hidden = !running;
  if (focused) question.focus();
}
