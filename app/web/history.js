/** What was asked before, with its answers: kept in this browser only, and forgotten at a click. */

import { find, make } from "./dom.js";

/** @typedef {import("./form.js").Asked & {at: number, result: import("./client.js").Comparison}} Entry */

const STORED = "medqa.history";
const MOST = 30;

/** @type {(entry: Entry) => void} */
let show;
const section = find("#history");
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @returns {Entry[]} newest first */
function load() {
  try {
    const entries = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    return Array.isArray(entries) ? entries.filter((entry) => entry?.question && entry.result) : [];
  } catch {
    return []; // no storage here, or someone else's words in it
  }
}

/** @param {Entry[]} entries */
function store(entries) {
  try {
    localStorage.setItem(STORED, JSON.stringify(entries));
  } catch {
    // No storage, or none left: this visit's answers are on the page all the same.
  }
}

/** @param {Entry} entry */
export function remember(entry) {
  store([entry, ...load()].slice(0, MOST));
  list();
}

function list() {
  const entries = load();
  section.hidden = !entries.length;
  const items = entries.map((entry) => {
    const at = make("time", { dateTime: new Date(entry.at).toISOString() }, when.format(entry.at));
    const button = make("button", { type: "button" }, make("span", {}, entry.question), at);
    button.addEventListener("click", () => show(entry));
    return make("li", {}, button);
  });
  find("ol", section).replaceChildren(...items);
}

/** List what there is. @param {(entry: Entry) => void} again shows an entry */
export function install(again) {
  show = again;
  find("#forget").addEventListener("click", () => {
    store([]);
    list();
    find("#question").focus();
  });
  list();
}
