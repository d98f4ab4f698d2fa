/** One model's column: its answer as it is written, then what it took, or why there is none. */

import { clamp, copy, find, make } from "./dom.js";
import { render } from "./rendering.js";
import { answered, counted, stats, wait } from "./words.js";

/** After this long without a word people should know that none came. */
const QUIET_SECONDS = 8;

export class Side {
  /** `again` asks this model once more. */
  constructor(column, again) {
    this.column = column;
    this.heading = find("header", column);
    this.intro = [...column.children];
    this.again = again;
    this.frame = 0;
    this.finished = true;
  }

  /** Show what stood here before any question. */
  reset() {
    cancelAnimationFrame(this.frame);
    this.finished = true;
    delete this.column.dataset.state;
    this.column.replaceChildren(...this.intro);
  }

  /** Empty the column for a new answer; `alone`: the model is to read nothing. */
  begin(alone) {
    this.alone = alone;
    cancelAnimationFrame(this.frame);
    this.pending = "";
    this.frame = 0;
    this.finished = false;
    this.column.replaceChildren(this.heading, find("#answer-template").content.cloneNode(true));
    this.text = document.createTextNode("");
    this.answer = find(".answer", this.column);
    this.answer.append(this.text);
    this.answer.ariaBusy = "true";
    // The base runs on until it is cut off.
    this.cutOff = this.column.dataset.model === "base" ? clamp(this.answer, "the base’s answer") : () => {};
    this.heard();
    this.#show("waiting", "waiting for the first word");
    const button = find(".copy", this.column);
    button.addEventListener("click", () => copy(button, this.text.data));
  }

  heard() {
    this.lastHeard = performance.now();
  }

  /** Whether nothing has come for long, and it is said. */
  watch() {
    const seconds = Math.floor((performance.now() - this.lastHeard) / 1000);
    if (this.finished || seconds < QUIET_SECONDS) return false;
    const words = `nothing has come for ${counted(seconds, "second")}: it may have stalled`;
    this.#show("stalled", words);
    return true;
  }

  /** Add a piece. The document changes once per frame, however many pieces come. */
  append(piece) {
    this.pending += piece;
    this.heard();
    this.frame ||= requestAnimationFrame(() => this.#flush());
  }

  #flush() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.pending) return;
    this.text.appendData(this.pending);
    this.pending = "";
    this.cutOff();
    if (this.finished) return;
    this.#show("writing", "writing");
  }

  finish(side) {
    if (!answered(side)) {
      const { detail, retry_after_seconds: seconds } = side.problem;
      return this.fail(seconds ? `${detail} Ask again in ${wait(seconds)}.` : detail);
    }
    this.pending = "";
    this.text.data = side.answer;
    this.#end("finished", "");
    const withheld = side.finish_reason === "notice";
    if (withheld) this.answer.dataset.blank = "No answer: the notice above comes first.";
    else if (!side.answer.trim()) this.answer.dataset.blank = "The model ended without a word.";
    render(this.answer, side, this.alone);
    this.cutOff();
    const list = find(".stats", this.column);
    for (const [name, value] of stats(side)) {
      list.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
    }
    list.hidden = withheld;
  }

  /** Keep what there is, and say why there is no more. */
  fail(why) {
    this.#end("failed", "");
    const problem = find(".problem", this.column);
    problem.textContent = why;
    problem.hidden = false;
    this.#offer();
  }

  #offer() {
    const button = find(".again-button", this.column);
    button.hidden = false;
    button.addEventListener("click", this.again, { once: true });
  }

  stop() {
    this.#end("stopped", this.text.data || this.pending ? "stopped" : "stopped before it began");
    this.#offer();
  }

  #end(state, words) {
    this.finished = true;
    this.#flush();
    this.answer.ariaBusy = "false";
    find(".copy", this.column).hidden = !this.text.data;
    this.#show(state, words);
  }

  #show(state, words) {
    this.column.dataset.state = state;
    const progress = find(".progress", this.column);
    if (progress.textContent !== words) progress.textContent = words;
  }
}
