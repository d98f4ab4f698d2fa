/** What was asked before, with its answers: kept in this browser only, and forgotten at a click. */

import { find, make } from "./dom.js";
import { isCrisis } from "./urgent.js";

const STORED = "medqa.history";
const PRIVATE = "medqa.private";
const MOST = 30;

let show;
const section = find("#history");
const discreet = find("#private");
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function load() {
  try {
    const entries = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    return Array.isArray(entries) ? entries.filter(fit) : [];
  } catch {
    return []; // no storage here, or someone else's words in it
  }
}

const fit = (entry) => Boolean(entry?.question && entry.result && !isCrisis(entry.result.notices));

function store(entries) {
  try {
    localStorage.setItem(STORED, JSON.stringify(entries));
  } catch {
    // No storage, or none left: this visit's answers are on the page all the same.
  }
}

export const isPrivate = () => discreet.checked;

export function remember(entry) {
  if (isPrivate() || !fit(entry)) return;
  store([entry, ...load().filter(({ at }) => at !== entry.at)].slice(0, MOST));
  list();
}

function list() {
  const entries = load();
  section.hidden = !entries.length;
  const items = entries.map((entry) => {
    const at = make("time", { dateTime: new Date(entry.at).toISOString() }, when.format(entry.at));
    const button = make("button", { type: "button" }, make("span", { dir: "auto" }, entry.question), at);
    button.addEventListener("click", () => show(entry));
    const forget = make("button", { type: "button", className: "quiet" }, "Forget");
    forget.ariaLabel = `Forget “${entry.question}”`;
    forget.addEventListener("click", () => {
      store(load().filter(({ at }) => at !== entry.at));
      list();
      (section.hidden ? find("#question") : find("#forget")).focus();
    });
    return make("li", {}, button, forget);
  });
  find("ol", section).replaceChildren(...items);
}

/** List what there is; `again` shows an entry, `changed` hears of "private". */
export function install(again, changed) {
  show = again;
  find("#forget").addEventListener("click", () => {
    store([]);
    list();
    find("#question").focus();
  });
  try {
    discreet.checked = localStorage.getItem(PRIVATE) !== null;
  } catch {
    discreet.checked = true; // nothing could be kept
  }
  discreet.addEventListener("change", () => {
    if (discreet.checked) localStorage.setItem(PRIVATE, "1");
    else localStorage.removeItem(PRIVATE);
    changed();
  });
  list();
}
