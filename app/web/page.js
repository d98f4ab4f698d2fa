/** The page: wires the form, the service and both columns. Each part knows nothing of the others. */

import { ask, countDown } from "./asking.js";
import { Client, ConnectionLost, ServiceError } from "./client.js";
import { copy, find } from "./dom.js";
import * as form from "./form.js";
import * as past from "./history.js";
import { announce, showState, showWait, spoken, tryNow } from "./notice.js";
import { beginReferences, endReferences, showReferences } from "./published.js";
import { showScores } from "./scores.js";
import { Service } from "./service.js";
import { curl, download, forgetLink, fromLink, linkTo, seeded } from "./sharing.js";
import { Side } from "./side.js";
import * as urgent from "./urgent.js";
import * as visit from "./visit.js";
import { answered, difference, size, wait } from "./words.js";

const STORED_KEY = "medqa.key";
const FIELDS = { "fine-tuned": "fine_tuned", base: "base" };
const MODELS = Object.keys(FIELDS);

const client = new Client(undefined, stored());
const service = new Service(client);
const sides = Object.fromEntries(MODELS.map((model) => [model, new Side(find(`[data-model="${model}"]`), () => again(model))]));

let waiting = false;
let running = new AbortController();
let shown = null;

function stored() {
  try {
    return sessionStorage.getItem(STORED_KEY) ?? "";
  } catch {
    return "";
  }
}

function begin({ question, options }) {
  running.abort();
  running = new AbortController();
  shown = { question, options, at: Date.now(), result: {} };
  document.body.dataset.asked = "";
  find("#tools").hidden = false;
  find("#asked").textContent = question;
  for (const id of ["#summary", "#scores", "#download"]) find(id).hidden = true;
  urgent.clearNotices();
  beginReferences(service.info?.references?.questions !== 0);
  for (const model of MODELS) sides[model].begin(options.grounded === false);
  const result = find("#result");
  // On a phone it may be out of sight.
  if (result.getBoundingClientRect().top > innerHeight / 2) result.scrollIntoView();
}

/** Note what has come, for a reload. */
function note(more) {
  if (!shown) return;
  Object.assign(shown.result, more);
  if (urgent.isCrisis(shown.result.notices)) forgetLink();
  const discreet = past.isPrivate() || urgent.isCrisis(shown.result.notices);
  visit.keep(discreet ? null : shown);
}

/** Ask what the form says, instead of what is being answered. */
async function send() {
  const asked = form.read();
  if (!asked) return;
  if (fromLink()?.question !== asked.question) forgetLink();
  const before = shown;
  visit.enter();
  begin(asked);
  note({});
  await answering(async (signal) => {
    try {
      const result = await ask(service, asked.question, { ...asked.options, ...watching, signal }, busy);
      complete(result);
      note(result);
      past.remember(shown);
      announce(`Both models are done. ${find("#summary").textContent}`);
    } catch (error) {
      const refused = error instanceof ServiceError && error.problem.errors;
      if (!refused || !form.showErrors(refused)) throw error;
      announce("Not asked.");
      if (before) show(before);
      else blank();
      form.showErrors(refused);
    }
  });
}

/** Ask one model again, where the other has answered. */
async function again(model) {
  if (!shown) return;
  const { question, result } = shown;
  const { reference, ...options } = seeded(shown, result).options;
  const other = MODELS.find((each) => each !== model && "answer" in (result[FIELDS[each]] ?? {}));
  form.fill(shown);
  if (!other) return send();
  running = new AbortController();
  sides[model].begin(options.grounded === false);
  await answering(async (signal) => {
    const onToken = watching.onToken;
    const answer = await service.client.answer(question, { ...options, model, onToken, signal, spans: true });
    sides[model].finish(answer);
    note({ [FIELDS[model]]: answer });
    complete(shown.result);
    past.remember(shown);
    announce("Done.");
  });
}

/** Run it, watch that it goes on, and say why when it fails. */
async function answering(work) {
  const { signal } = running;
  form.showRunning(true);
  if (service.state === "ready") announce("Both models are answering.");
  let said = false;
  const watch = setInterval(() => {
    if (service.state !== "ready" || waiting) for (const model of MODELS) sides[model].heard();
    const quiet = MODELS.filter((model) => sides[model].watch()).length > 0;
    if (quiet && !said) announce("Nothing has come for some seconds.");
    said = quiet;
  }, 1000);
  try {
    await work(signal);
  } catch (error) {
    if (!signal.aborted) fail(error);
  } finally {
    clearInterval(watch);
    if (signal === running.signal) {
      form.showRunning(false);
      endReferences();
    }
  }
}

const watching = {
  spans: true,
  onNotice(notice) {
    urgent.showNotices([notice], service.info?.region);
    note({ notices: [...(shown?.result.notices ?? []), notice] });
  },
  onReferences({ references }) {
    showReferences(references);
    note({ references });
  },
  onToken: ({ model, text }) => sides[model].append(text),
  onSide({ model, side }) {
    sides[model].finish(side);
    note({ [FIELDS[model]]: side });
  },
};

function complete(result) {
  urgent.showNotices(result.notices, service.info?.region);
  showReferences(result.references);
  for (const model of MODELS) {
    const side = result[FIELDS[model]];
    if (sides[model].finished) continue;
    if (side) sides[model].finish(side);
    else sides[model].fail("It was not finished when the page was left.");
  }
  const { fine_tuned, base } = result;
  find("#download").hidden = !fine_tuned && !base;
  if (!fine_tuned || !base) return;
  const both = answered(fine_tuned) && answered(base);
  find("#summary").textContent = both ? difference(fine_tuned, base) : "";
  find("#summary").hidden = !both;
  showScores(find("#scores"), result);
}

function fail(error) {
  const problem = error instanceof ServiceError ? error.problem : null;
  if (!problem && !(error instanceof ConnectionLost)) console.error(error);
  let why = problem?.detail ?? "The connection was lost before the answer was finished.";
  const seconds = problem?.retry_after_seconds;
  if (seconds) why += ` Ask again in ${wait(seconds)}.`;
  for (const model of MODELS) if (!sides[model].finished) sides[model].fail(why);
  announce(why);
  service.check();
}

/** Wait as long as a busy service says. */
async function busy(error) {
  const { signal } = running;
  const seconds = error.retryAfterSeconds ?? 1;
  showState("busy", error.message);
  announce(`Busy. ${error.message} Asking again in ${wait(seconds)}.`);
  waiting = true;
  try {
    await countDown(seconds, (left) => showWait(error.message, left), signal, tryNow);
  } finally {
    waiting = false;
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

function show(entry) {
  form.showRunning(false);
  form.fill(entry);
  begin(entry);
  shown = entry;
  complete(entry.result);
  endReferences();
}

function showAgain(entry) {
  visit.enter();
  show(entry);
  note({});
  find("#asked").focus({ preventScroll: Boolean(entry.result.notices?.length) });
}

function blank() {
  running.abort();
  shown = null;
  form.showRunning(false);
  delete document.body.dataset.asked;
  urgent.clearNotices();
  for (const id of ["#summary", "#scores", "#references", "#tools"]) find(id).hidden = true;
  find("#asked").textContent = "Two models, one question";
  for (const model of MODELS) sides[model].reset();
}

function restore() {
  const before = visit.kept();
  if (before) show(before);
  else if (!location.hash && shown) blank();
}

function serviceChanged() {
  showState(service.state);
  announce(spoken(service.state));
  find("#key-error").textContent = client.key ? service.detail : "";
  if (service.state === "key" && document.activeElement === document.body) find("#key").focus();
  if (service.state !== "ready") return;
  form.showLimits(service.info);
  if (service.info.references?.questions === 0) endReferences();
  const [{ parameters, dtype, device }] = service.info.models;
  find("#version").textContent =
    `medqa ${service.info.version}, ${size(parameters)}, ${dtype} on ${device}`;
}

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

function copies(button, text) {
  find(button).addEventListener("click", () => shown && copy(find(button), text(shown)));
}

form.install(send, stop);
past.install(showAgain, () => note({}));
urgent.install();
find("#key-form").addEventListener("submit", useKey);
copies("#copy-link", (asked) => linkTo(seeded(asked, asked.result)));
copies("#copy-curl", (asked) => curl(client.baseUrl, asked, Boolean(client.key)));
find("#download").addEventListener("click", () => shown && download(shown, shown.result, service.info));
service.addEventListener("change", serviceChanged);
service.check();
addEventListener("hashchange", followLink);
addEventListener("popstate", restore);
if (location.hash) followLink();
else restore();
