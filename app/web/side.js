/** One model's column: its answer as it is written, then what it took, or why there is none. */

import { copy, find, make } from "./dom.js";
import { answered, stats } from "./words.js";

export class Side {
  /** @param {HTMLElement} column */
  constructor(column) {
    this.column = column;
    this.heading = column.querySelector("header");
    this.finished = false;
    this.pending = "";
    this.frame = 0;
  }

  /** Empty the column for a new answer. */
  begin() {
    cancelAnimationFrame(this.frame);
    this.pending = "";
    this.frame = 0;
    this.finished = false;
    this.column.replaceChildren(
      /** @type {Node} */ (this.heading),
      find("#answer-template").content.cloneNode(true),
    );
    this.text = document.createTextNode("");
    this.answer = find(".answer", this.column);
    this.answer.append(this.text);
    this.answer.ariaBusy = "true";
    this.column.dataset.state = "waiting";
    this.#progress("waiting for the first word");
    const button = find(".copy", this.column);
    button.addEventListener("click", () => copy(button, this.text?.data ?? ""));
  }

  /**
   * Add a piece. The document changes once per frame, however many pieces come.
   * @param {string} piece
   */
  append(piece) {
    this.pending += piece;
    this.frame ||= requestAnimationFrame(() => this.#flush());
  }

  #flush() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.pending) return;
    this.text?.appendData(this.pending);
    this.pending = "";
    if (this.finished) return;
    this.column.dataset.state = "writing";
    this.#progress("writing");
  }

  /**
   * Show how it ended.
   * @param {import("./client.js").Side} side
   */
  finish(side) {
    if (!answered(side)) return this.fail(side.problem.detail);
    this.#end("finished", "");
    if (this.text) this.text.data = side.answer;
    find(".answer", this.column).classList.toggle("blank", !side.answer.trim());
    const list = find(".stats", this.column);
    for (const [name, value] of stats(side)) {
      list.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
    }
    list.hidden = false;
  }

  /**
   * Keep what there is, and say why there is no more.
   * @param {string} why
   */
  fail(why) {
    this.#end("failed", "");
    const problem = find(".problem", this.column);
    problem.textContent = why;
    problem.hidden = false;
  }

  /** Keep what there is. */
  stop() {
    this.#end("stopped", this.text?.data || this.pending ? "stopped" : "stopped before it began");
  }

  /** @param {string} state @param {string} words */
  #end(state, words) {
    this.finished = true;
    this.#flush();
    this.column.dataset.state = state;
    this.answer.ariaBusy = "false";
    find(".copy", this.column).hidden = !this.text?.data && state !== "finished";
    this.#progress(words);
  }

  /** @param {string} words */
  #progress(words) {
    const progress = find(".progress", this.column);
    if (progress.textContent !== words) progress.textContent = words;
  }
}
