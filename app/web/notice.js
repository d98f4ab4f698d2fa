/** What the service's state means, and what to do: the words at the top and the notice below. */

import { find, make } from "./dom.js";
import { wait } from "./words.js";

const WORDS = {
  connecting: ["starting", "wait", "Connecting…"],
  loading: ["starting", "wait", "Starting", "The models are loading",
    "That takes seconds to minutes. Ask already: your question is sent as soon as they are ready."],
  "warming up": ["starting", "wait", "Starting", "Almost ready",
    "They try a first question of their own. Ask already: yours is next."],
  ready: ["ready", "tuned", "Ready"],
  busy: ["busy", "wait", "Busy", "Every place is taken"],
  draining: ["starting", "wait", "Stopping", "The service is stopping",
    "It takes no new questions. This page looks for it every second."],
  failed: ["failed", "bad", "Failed", "The models failed",
    "The reason is in the service’s log. This page keeps looking for it."],
  offline: ["offline", "bad", "Offline", "The service cannot be reached",
    "Is it running, and are you connected? This page looks again every second."],
  key: ["key", "wait", "Key needed"],
};

const pill = find("#state");
const notice = find("#notice");
const keyForm = find("#key-form");
/** Ends a wait at once. */
export const tryNow = find("button", notice);

/** Show a state; a busy service with its own words. */
export function showState(state, text) {
  const [icon, tone, name, title, usual] = WORDS[state] ?? WORDS.connecting;
  for (const place of [pill, notice]) {
    place.dataset.state = state;
    place.dataset.tone = tone;
    find("use", place).setAttribute("href", `#icon-${icon}`);
  }
  find("span", pill).textContent = name;
  notice.hidden = !title;
  find("h2", notice).textContent = title ?? "";
  find("p", notice).textContent = text ?? usual ?? "";
  tryNow.hidden = state !== "busy";
  keyForm.hidden = state !== "key";
}

/** Say how long it is until it is asked again. */
export function showWait(why, seconds) {
  const left = make("strong", {}, wait(seconds));
  find("p", notice).replaceChildren(`${why} Asking again in `, left, ".");
}

export function announce(text) {
  find("#announcer").textContent = text;
}

export function spoken(state) {
  const [, , name, title, text = ""] = WORDS[state] ?? WORDS.connecting;
  return `${title ?? name}. ${text}`;
}
