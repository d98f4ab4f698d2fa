/** Where the service stands, as seen from here: asked again while it is not ready. */

import { Client, ServiceError } from "./client.js";

const AGAIN_MS = 1_000;
const READY_AGAIN_MS = 20_000;

export class Service extends EventTarget {
  constructor(client) {
    super();
    this.client = client;
    this.state = "connecting";
    this.detail = "";
    this.info = null;
    this.timer = 0;
    this.checking = null;
    addEventListener("online", () => this.check());
    document.addEventListener("visibilitychange", () => document.hidden || this.check());
  }

  /** Find out now; never throws. */
  check() {
    this.checking ??= this.#check().finally(() => (this.checking = null));
    return this.checking;
  }

  async #check() {
    clearTimeout(this.timer);
    const { state, detail = "" } = await this.#find();
    if (state !== "key") {
      const pause = state === "ready" ? READY_AGAIN_MS : AGAIN_MS;
      this.timer = setTimeout(() => document.hidden || this.check(), pause);
    }
    if (state === this.state && detail === this.detail) return;
    this.state = state;
    this.detail = detail;
    this.dispatchEvent(new Event("change"));
  }

  async #find() {
    try {
      const step = await this.client.step();
      if (step !== "ready") return { state: step };
      this.info = await this.client.info(); // which needs the key, where there is one
      return { state: "ready" };
    } catch (error) {
      if (!(error instanceof ServiceError)) return { state: "offline" };
      if (error.status === 401) return { state: "key", detail: error.message };
      return error.status === 503 ? { state: "connecting" } : { state: "ready" };
    }
  }

  /** Wait until questions are accepted. */
  async whenReady(signal) {
    while (this.state !== "ready") {
      signal.throwIfAborted();
      await new Promise((resolve, reject) => {
        this.addEventListener("change", resolve, { once: true });
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
  }
}
