/** The page: wires the form, the service and both columns. Each part knows nothing of the others. */

import { showNotices, showReferences } from "./around.js";
import { ask, countDown } from "./asking.js";
import { Client, ConnectionLost, ServiceError } from "./client.js";
import { copy, find } from "./dom.js";
import * as form from "./form.js";
import * as past from "./history.js";
import { announce, showState, showWait, spoken, tryNow } from "./notice.js";
import { showScores } from "./scores.js";
import { Service } from "./service.js";
import { curl, forgetLink, fromLink, linkTo } from "./sharing.js";
import { Side } from "./side.js";
import { answered, difference, size, wait } from "./words.js";

/** @typedef {import("./client.js").ModelName} ModelName */
/** @typedef {import("./form.js").Asked} Asked */

const STORED_KEY = "medqa.key";
const FIELDS = /** @type {const} */ ({ "fine-tuned": "fine_tuned", base: "base" });
const MODELS = /** @type {ModelName[]} */ (Object.keys(FIELDS));

const client = new Client(undefined, stored());
const service = new Service(client);
const sides = /** @type {Record<ModelName, Side>} */ (
  Object.fromEntries(MODELS.map((model) => [model, new Side(find(`[data-model="${model}"]`))]))
);

let running = new AbortController();
/** @type {Asked | null} */
let shown = null;

function stored() {
  try {
    return sessionStorage.getItem(STORED_KEY) ?? "";
  } catch {
    return "";
  }
}

/** Clear the columns for a question. @param {Asked} asked */
function begin(asked) {
  running.abort();
  running = new AbortController();
  shown = asked;
  find(".asked .tools").hidden = false;
  find("#asked").textContent = asked.question;
  for (const id of ["#summary", "#scores", "#references"]) find(id).hidden = true;
  find("#notices").replaceChildren();
  for (const model of MODELS) sides[model].begin();
  const result = find("#result");
  // On a phone the columns may be out of sight.
  if (result.getBoundingClientRect().top > innerHeight / 2) result.scrollIntoView();
}

/** Ask what the form says, instead of what is being answered. */
async function send() {
  const asked = form.read();
  if (!asked) return;
  if (fromLink()?.question !== asked.question) forgetLink();
  begin(asked);
  const { signal } = running;
  form.showRunning(true);
  if (service.state === "ready") announce("Both models are answering.");
  try {
    const result = await ask(service, asked.question, { ...asked.options, ...watching, signal }, busy);
    complete(result);
    past.remember({ ...asked, at: Date.now(), result });
    announce(`Both models are done. ${find("#summary").textContent}`);
  } catch (error) {
    if (!signal.aborted) fail(error);
  } finally {
    if (signal === running.signal) form.showRunning(false);
  }
}

/** @type {import("./client.js").Watching} */
const watching = {
  onNotice: (notice) => showNotices([notice]),
  onReferences: ({ references }) => showReferences(references),
  onToken: ({ model, text }) => sides[model].append(text),
  onSide: ({ model, side }) => sides[model].finish(side),
};

/** Show a whole comparison. @param {import("./client.js").Comparison} result */
function complete(result) {
  showNotices(result.notices);
  showReferences(result.references);
  for (const model of MODELS) {
    if (!sides[model].finished) sides[model].finish(result[FIELDS[model]]);
  }
  const { fine_tuned, base } = result;
  const both = answered(fine_tuned) && answered(base);
  find("#summary").textContent = both ? difference(fine_tuned, base) : "";
  find("#summary").hidden = !both;
  showScores(find("#scores"), result);
}

/** @param {unknown} error */
function fail(error) {
  const problem = error instanceof ServiceError ? error.problem : null;
  if (!problem && !(error instanceof ConnectionLost)) console.error(error);
  const placed = problem?.errors && form.showErrors(problem.errors);
  const retry = error instanceof ServiceError ? error.retryAfterSeconds : null;
  let why = problem?.detail ?? "The connection was lost before the answer was finished. Ask again.";
  if (retry !== null) why += ` Ask again in ${wait(retry)}.`;
  if (placed) why = "Not asked: see above.";
  for (const model of MODELS) if (!sides[model].finished) sides[model].fail(why);
  announce(why);
  service.check();
}

/** Wait as long as a busy service says. @param {ServiceError} error */
async function busy(error) {
  const { signal } = running;
  const seconds = error.retryAfterSeconds ?? 1;
  showState("busy", error.message);
  announce(`Busy. ${error.message} Asking again in ${wait(seconds)}.`);
  try {
    await countDown(seconds, (left) => showWait(error.message, left), signal, tryNow);
  } finally {
    showState(service.state);
  }
}

/** Stop what is being answered; the server frees its place. */
function stop() {
  if (find("#stop").hidden) return;
  running.abort();
  form.showRunning(false);
  for (const model of MODELS) if (!sides[model].finished) sides[model].stop();
  announce("Stopped.");
}

/** Show what was answered before. @param {import("./history.js").Entry} entry */
function showAgain(entry) {
  form.showRunning(false);
  form.fill(entry);
  begin(entry);
  find("#asked").focus();
  complete(entry.result);
}

function serviceChanged() {
  showState(service.state);
  announce(spoken(service.state));
  find("#key-error").textContent = client.key ? service.detail : "";
  if (service.state === "key" && document.activeElement === document.body) find("#key").focus();
  if (service.state !== "ready") return;
  form.showLimits(service.info.limits);
  const [{ parameters, dtype, device }] = service.info.models;
  find("#version").textContent =
    `medqa ${service.info.version}, ${size(parameters)}, ${dtype} on ${device}`;
}

/** @param {Event} event */
async function useKey(event) {
  event.preventDefault();
  client.key = find("#key").value.trim();
  try {
    sessionStorage.setItem(STORED_KEY, client.key);
  } catch {
    // No storage: the key lives as long as the page.
  }
  await service.check();
  find("#key-error").textContent = service.detail;
  if (service.state === "ready") find("#question").focus();
}

function followLink() {
  const asked = fromLink();
  if (!asked) return;
  form.fill(asked);
  send();
}

/** @param {string} button @param {(asked: Asked) => string} text */
function copies(button, text) {
  find(button).addEventListener("click", () => shown && copy(find(button), text(shown)));
}

form.install(send, stop);
past.install(showAgain);
find("#key-form").addEventListener("submit", useKey);
copies("#copy-link", linkTo);
copies("#copy-curl", (asked) => curl(client.baseUrl, asked, Boolean(client.key)));
service.addEventListener("change", serviceChanged);
service.check();
addEventListener("hashchange", followLink);
followLink();
