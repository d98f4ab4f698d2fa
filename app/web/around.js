/** What stands around the answers: what is more urgent above, what people published below. */

import { find, make } from "./dom.js";

const notices = find("#notices");
const references = find("#references");

/** Each is shown, and said, once. @param {import("./client.js").Notice[]} [told] */
export function showNotices(told = []) {
  for (const { text, contact } of told) {
    const alarm = make(
      "div",
      { className: "alarm", role: "alert" },
      make("p", {}, text),
      make("p", {}, "Contact: ", make("strong", {}, contact)),
    );
    if ([...notices.children].some((shown) => shown.textContent === alarm.textContent)) continue;
    notices.append(alarm);
    notices.scrollIntoView();
  }
}

/** Shown once, so that what a reader opened stays open. @param {import("./client.js").Reference[]} [found] */
export function showReferences(found) {
  if (!found || !references.hidden) return;
  references.hidden = false;
  const about = found.length
    ? "Found by search, not written by a model."
    : "None was found for this question.";
  references.replaceChildren(
    make("h3", {}, "Published answers"),
    make("p", { className: "help" }, about),
    make("ol", {}, ...found.map(entry)),
  );
}

/** @param {import("./client.js").Reference} reference */
function entry({ question, url, source, excerpt }) {
  // Anything but a web address could be code.
  const title = /^https?:\/\//i.test(url)
    ? make("a", { href: url, target: "_blank", rel: "noreferrer noopener" }, question)
    : question;
  const beginning =
    excerpt === null
      ? make("p", { className: "help" }, "Its licence allows a link only.")
      : make("details", {}, make("summary", {}, "How it answers"), make("p", {}, excerpt));
  return make("li", {}, title, make("p", { className: "help" }, source), beginning);
}
