/**
 * The service's API for front ends: questions in, answers as they are written, failures as errors.
 *
 * Knows nothing about the page; import it as it is, from the service or from a copy.
 */
/** @typedef {"fine-tuned" | "base"} ModelName */
/** @typedef {{max_new_tokens?: number, temperature?: number, top_p?: number, top_k?: number, no_repeat_ngram_size?: number, spans?: boolean}} Decoding Left out: greedy. */
/** @typedef {{rouge_l: number, token_f1: number, bits_per_byte: number | null}} Scores null: it did not fit. */
/** @typedef {{kind: string, text: string, contact: string}} Notice To be shown above everything. */
/** @typedef {{id: string, question: string, excerpt: string | null, source: string, url: string, licence: string}} Reference Published; `url` is not to be trusted. */
/** @typedef {Omit<Reference, "excerpt"> & {title: string, text: string}} Passage As it was read. */
/** @typedef {{start: number, end: number, mark: string, why: string | null, text_id: string | null, published: string | null}} Sentence Indices of `Array.from(answer)`. */
/** @typedef {{notices?: Notice[], references?: Reference[]}} Around What came with the answers. */
/** @typedef {{answer: string, grounded: boolean, passages?: Passage[], finish_reason: "end" | "length" | "notice", usage: {prompt_tokens: number, completion_tokens: number}, decoding: Required<Decoding>, timing: {queue_ms: number, first_token_ms: number, total_ms: number}, scores?: Scores, sentences: Sentence[], spans: {start: number, end: number, answers: number, topics: number}[] | null}} Answer */
/** @typedef {{field: string, message: string}} FieldError */
/** @typedef {{title: string, status: number, detail: string, errors?: FieldError[], notices?: Notice[], retry_after_seconds?: number | null}} Problem RFC 9457. */
/** @typedef {Answer & Around & {id: string, model: ModelName, question: string, disclaimer: string}} AnswerBody */
/** @typedef {Answer | {problem: Problem}} Side One side may fail while the other answers. */
/** @typedef {Around & {id: string, question: string, fine_tuned: Side, base: Side, disclaimer: string}} Comparison */

/** @typedef {{onNotice?: (notice: Notice) => void, onToken?: (token: {model: ModelName, text: string}) => void, onSide?: (done: {model: ModelName, side: Side}) => void, onReferences?: (found: {references: Reference[]}) => void, signal?: AbortSignal}} Watching Aborting frees the place. */

/** The service refused or failed; `message` is fit to be read by whoever asked. */
export class ServiceError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail);
    this.name = "ServiceError";
    this.problem = problem;
    this.status = problem.status;
    this.retryAfterSeconds = problem.retry_after_seconds ?? null;
  }
}

/** The service cannot be reached, or it broke. */
export class ConnectionLost extends Error {
  constructor() {
    super("The connection to the service was lost.");
    this.name = "ConnectionLost";
  }
}

export class Client {
  /**
   * @param {string | URL} baseUrl of the service, with its path prefix and a slash at the end;
   *   left out: the service that this file came from
   * @param {string} key an API key, where the service wants one
   */
  constructor(baseUrl = new URL("../", import.meta.url), key = "") {
    this.baseUrl = baseUrl;
    this.key = key;
  }

  /**
   * Ask one model. Without an `on…` the answer comes in one piece.
   * @param {string} question
   * @param {Decoding & Watching & {model?: ModelName}} options
   * @returns {Promise<AnswerBody>} throws as `compare` does
   */
  answer(question, options = {}) {
    return this.#ask("answer", question, options);
  }

  /**
   * Ask both models. Without an `on…` the answers come in one piece.
   * @param {string} question
   * @param {Decoding & Watching & {reference?: string, grounded?: boolean}} options `reference`: a known good answer
   * @returns {Promise<Comparison>}
   * @throws {ServiceError | ConnectionLost | DOMException} the last is an AbortError
   */
  compare(question, options = {}) {
    return this.#ask("compare", question, options);
  }

  /**
   * What is served, within which limits.
   * @param {{signal?: AbortSignal}} options
   */
  async info({ signal } = {}) {
    return (await this.#fetch("info", { signal })).json();
  }

  /**
   * Where the service stands: "loading", "warming up", "ready", "draining" or "failed".
   * @param {{signal?: AbortSignal}} options
   * @returns {Promise<string>}
   * @throws {ConnectionLost | DOMException}
   */
  async step({ signal } = {}) {
    const response = await unlessLost(fetch(new URL("readyz", this.baseUrl), { signal }), signal);
    const body = await response.json().catch(() => ({}));
    if (typeof body.status === "string") return body.status;
    throw new ConnectionLost(); // a proxy that finds nobody behind it
  }

  /** @param {string} path @param {string} question @param {any} options */
  async #ask(path, question, { onNotice, onToken, onReferences, onSide, signal, ...fields }) {
    /** @type {Record<string, ((data: any) => void) | undefined>} */
    const watchers = { notice: onNotice, token: onToken, references: onReferences, side: onSide };
    const stream = Object.values(watchers).some(Boolean);
    const response = await this.#fetch(path, {
      method: "POST",
      body: JSON.stringify({ question, ...fields, stream }),
      signal,
    }).catch((error) => {
      error.problem?.notices?.forEach((/** @type {Notice} */ notice) => onNotice?.(notice));
      throw error;
    });
    if (!stream) return unlessLost(response.json(), signal);
    for await (const { event, data } of events(response, signal)) {
      if (event === "error") throw new ServiceError(data);
      if (event === "done") return data;
      watchers[event]?.(data);
    }
    throw new ConnectionLost();
  }

  /** @param {string} path @param {RequestInit} init @returns {Promise<Response>} */
  async #fetch(path, init) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (init.body) headers["Content-Type"] = "application/json";
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    const url = new URL(path, this.baseUrl);
    const response = await unlessLost(fetch(url, { ...init, headers }), init.signal);
    if (response.ok) return response;
    throw new ServiceError(await problemOf(response));
  }
}

/** @param {Response} response @returns {Promise<Problem>} */
async function problemOf(response) {
  const { status, statusText, headers } = response;
  const body = await response.json().catch(() => ({}));
  const retry_after_seconds = Number(headers.get("Retry-After")) || null;
  if (typeof body.detail === "string") return { retry_after_seconds, ...body, status };
  // Whatever stands between us and the service may answer too, in its own words.
  const detail = `The service answered with ${status} ${statusText}`.trimEnd() + ".";
  return { title: statusText, status, detail, retry_after_seconds };
}

/**
 * @template T
 * @param {Promise<T>} work
 * @param {AbortSignal | null | undefined} signal
 * @returns {Promise<T>}
 */
async function unlessLost(work, signal) {
  try {
    return await work;
  } catch {
    signal?.throwIfAborted();
    throw new ConnectionLost();
  }
}

/**
 * Parse server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 * EventSource cannot post, or show a key.
 * @param {Response} response
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<{event: string, data: any}>}
 */
async function* events(response, signal) {
  const reader = /** @type {ReadableStream} */ (response.body)
    .pipeThrough(new TextDecoderStream())
    .getReader();
  let buffer = "";
  while (true) {
    const { value, done } = await unlessLost(reader.read(), signal);
    if (done) return;
    buffer += value;
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map(field));
      if (fields.data) yield { event: fields.event ?? "message", data: JSON.parse(fields.data) };
    }
  }
}

/** @param {string} line @returns {[string, string]} */
function field(line) {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
}
