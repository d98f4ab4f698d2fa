/** The question, its settings and the reference: read, filled in, and what is wrong with them. */

import { find, make } from "./dom.js";

const SETTINGS = [
  ["max_new_tokens", "Longest answer", "In tokens, of about three quarters of a word.", { min: "1" }],
  ["temperature", "Randomness", "Temperature, 0 to 2. Above 0, unlikelier words get a chance.",
    { max: "2", step: "any", placeholder: "0" }],
  ["top_p", "Keep the likeliest share", "Top-p, above 0 and up to 1. Draws only from words that hold this share.",
    { min: "0.000001", max: "1", step: "any", placeholder: "1" }],
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
const grounded = find("#grounded");
let longest = Infinity;
/** Draws the same again, as long as the same is asked. */
let filled = null;
const input = (name) => find(`[name="${name}"]`, form);

/** Null, once it is said what is wrong. */
export function read() {
  clearErrors();
  const wrong = NUMBERS.filter((name) => !input(name).validity.valid);
  const errors = wrong.map((field) => ({ field, message: range(input(field)) }));
  const text = question.value.trim();
  const letters = Array.from(text).length;
  let message = text ? "" : "Write a question first.";
  if (letters > longest) message = `has ${letters} characters; this service takes at most ${longest}`;
  if (message) errors.unshift({ field: "question", message });
  if (showErrors(errors)) return null;
  const options = {};
  if (filled?.question === text && filled.options.seed !== undefined) options.seed = filled.options.seed;
  if (!grounded.checked) options.grounded = false;
  for (const name of NUMBERS) if (input(name).value) options[name] = input(name).valueAsNumber;
  if (reference.value.trim()) options.reference = reference.value;
  return { question: text, options };
}

/** What may stand in a field of numbers. */
function range({ validity, min, max }) {
  if (validity.badInput) return "must be a number";
  if (validity.stepMismatch) return "must be a whole number";
  const least = min === "0.000001" ? "above 0" : `at least ${min}`;
  return max ? `must be ${least} and at most ${max}` : `must be ${least}`;
}

export function fill(asked) {
  const { question: text, options } = asked;
  filled = asked;
  clearErrors();
  grounded.checked = options.grounded !== false;
  question.value = text;
  for (const name of NUMBERS) input(name).value = options[name] ?? "";
  reference.value = options.reference ?? "";
  if (NUMBERS.some((name) => input(name).value)) open("settings");
  if (reference.value) open("reference-panel");
}

/** Show each error at its field, and go to the first. Returns whether any has a place. */
export function showErrors(errors) {
  const placed = errors.filter(({ field }) => form.querySelector(`#${CSS.escape(field)}-error`));
  for (const { field, message } of placed) {
    const wrong = input(field);
    wrong.setAttribute("aria-invalid", "true");
    find(`#${field}-error`, form).textContent = message;
    const panel = wrong.closest(".panel");
    if (panel) open(panel.id);
  }
  if (placed.length) {
    input(placed[0].field).focus();
    // A long text leaves no room for what is said below it.
    find(`#${placed[0].field}-error`, form).scrollIntoView({ block: "nearest" });
  }
  return placed.length > 0;
}

function clearErrors() {
  for (const place of form.querySelectorAll(".error")) place.textContent = "";
  for (const wrong of form.querySelectorAll("[aria-invalid]")) wrong.removeAttribute("aria-invalid");
}

function open(panel, shown = true) {
  find(`#${panel}`).hidden = !shown;
  find(`[aria-controls="${panel}"]`).ariaExpanded = String(shown);
}

export function showLimits({ limits, grounded: reads }) {
  const tokens = input("max_new_tokens");
  tokens.max = limits.max_new_tokens;
  tokens.placeholder = limits.default_new_tokens;
  longest = limits.max_question_characters ?? Infinity;
  grounded.closest("label").hidden = !reads;
}

export function install(send, stop) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  question.addEventListener("keydown", (event) => {
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

function setting([name, label, help, more]) {
  const number = make("input", { id: name, name, type: "number", min: "0", ...more });
  number.setAttribute("aria-describedby", `${name}-help ${name}-error`);
  const above = make("label", { htmlFor: name }, label);
  const below = make("p", { className: "help", id: `${name}-help` }, help);
  return make("div", {}, above, number, below, make("p", { className: "error", id: `${name}-error` }));
}

function example([type, text]) {
  const button = make("button", { type: "button", className: "example", title: text }, type);
  button.addEventListener("click", () => {
    question.value = text;
    question.focus();
  });
  return button;
}

export function showRunning(running) {
  const button = find("#stop");
  const focused = document.activeElement === button;
  button.hidden = !running;
  if (focused) question.focus();
}
