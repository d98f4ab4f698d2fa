/** What is more urgent than an answer: whom to call, above everything; in a crisis nothing else. */

import { find, make } from "./dom.js";

/** Where someone else may look at the screen, or answers may do harm. */
const CRISIS = ["self_harm", "overdose", "abuse"];
/** Says nothing of where one came from. */
const ELSEWHERE = "https://www.wikipedia.org/";
const PHONE = /(?<!\w)\d[\d -]+\d(?!\w)/g;

const notices = find("#notices");
const rest = find("#rest");
const names = new Intl.DisplayNames(["en"], { type: "region", fallback: "code" });

export const isCrisis = (told = []) => told.some(({ kind }) => CRISIS.includes(kind));

/** Each is shown, and said, once; the numbers are of the region. */
export function showNotices(told = [], region) {
  const here = region ? `Region: ${names.of(region)}. ` : "";
  for (const notice of told) {
    const alarm = make(
      "div",
      { className: "alarm", role: "alert" },
      make("p", {}, notice.text),
      make("p", {}, "Contact: ", make("strong", {}, ...callable(notice.contact))),
      make("p", { className: "where" }, here, "Elsewhere, call your own emergency number."),
    );
    if ([...notices.children].some((shown) => shown.textContent === alarm.textContent)) continue;
    notices.append(alarm);
    notices.scrollIntoView();
  }
  if (!isCrisis(told) || document.body.dataset.crisis) return;
  document.body.dataset.crisis = "alone";
  rest.hidden = false;
}

export function clearNotices() {
  notices.replaceChildren();
  rest.hidden = true;
  delete document.body.dataset.crisis;
}

function callable(contact) {
  let end = 0;
  const parts = [];
  for (const { 0: number, index } of contact.matchAll(PHONE)) {
    const digits = number.replace(/\D/g, "");
    if (digits.length < 3) continue;
    parts.push(contact.slice(end, index), make("a", { href: `tel:${digits}` }, number));
    end = index + number.length;
  }
  return [...parts, contact.slice(end)];
}

/** Let people leave at once, or see what else there is. */
export function install() {
  find("#leave").addEventListener("click", () => {
    document.body.hidden = true;
    history.replaceState(null, "", location.pathname);
    location.replace(ELSEWHERE); // Back does not return here
  });
  find("#show-rest").addEventListener("click", () => {
    document.body.dataset.crisis = "opened";
    find("#asked").focus();
  });
}
