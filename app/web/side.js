/** One model's column: its answer as it is written, then what it took, or why there is none. */

import { copy, find, make } from "./dom.js";
import { answered, stats } from "./words.js";

export class Side {
  /** @param {HTMLElement} column */
  constructor(column) {
    this.column = column;
    this.heading = find("header", column);
    this.frame = 0;
  }

  /** Empty the column for a new answer. */
  begin() {
    cancelAnimationFrame(this.frame);
    this.pending = "";
    this.frame = 0;
    this.finished = false;
    this.column.replaceChildren(this.heading, find("#answer-template").content.cloneNode(true));
    this.text = document.createTextNode("");
    this.answer = find(".answer", this.column);
    this.answer.append(this.text);
    this.answer.ariaBusy = "true";
    this.#show("waiting", "waiting for the first word");
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
    this.#show("writing", "writing");
  }

  /**
   * Show how it ended.
   * @param {import("./client.js").Side} side
   */
  finish(side) {
    if (!answered(side)) return this.fail(side.problem.detail);
    this.pending = "";
    if (this.text) this.text.data = side.answer;
    this.#end("finished", "");
    const withheld = side.finish_reason === "notice";
    if (withheld) this.answer.dataset.blank = "No answer: the notice above comes first.";
    else if (!side.answer.trim()) this.answer.dataset.blank = "The model ended without a word.";
    if (side.unsupported?.length) this.#doubt(side.answer, side.unsupported);
    const list = find(".stats", this.column);
    for (const [name, value] of stats(side)) {
      list.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
    }
    list.hidden = withheld;
  }

  /** Mark what the references do not say. @param {string} answer @param {[number, number][]} spans */
  #doubt(answer, spans) {
    const why = "not found in the published answers listed below";
    const letters = Array.from(answer); // code points, as spans count
    const parts = spans.flatMap(([from, to], at) => [
      letters.slice(spans[at - 1]?.[1] ?? 0, from).join(""),
      make("mark", { title: why }, letters.slice(from, to).join("")),
    ]);
    this.answer.replaceChildren(...parts, letters.slice(spans.at(-1)?.[1]).join(""));
    this.answer.after(make("p", { className: "help" }, `Dotted: ${why}.`));
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
    this.answer.ariaBusy = "false";
    find(".copy", this.column).hidden = !this.text?.data;
    this.#show(state, words);
  }

  /** @param {string} state @param {string} words */
  #show(state, words) {
    this.column.dataset.state = state;
    const progress = find(".progress", this.column);
    if (progress.textContent !== words) progress.textContent = words;
  }
}
