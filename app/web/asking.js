/** One question asked until it is answered: it waits for a service that starts, or is busy. */

import { ConnectionLost } from "./client.js";

/** Longer waits are left to whoever asks. */
const MAX_WAIT_SECONDS = 120;

/** Ask both models; again after `busy`, never once an answer has begun. */
export async function ask(service, question, options, busy) {
  let begun = false;
  const noting = (then) => (data) => {
    begun = true;
    then?.(data);
  };
  const watching = { ...options, onToken: noting(options.onToken), onSide: noting(options.onSide) };
  while (true) {
    await service.whenReady(options.signal);
    try {
      return await service.client.compare(question, watching);
    } catch (error) {
      if (begun || !(await mayPass(service, error, busy))) throw error;
    }
  }
}

/** Whether a failure is one of the moment, which the service's state tells or `busy` waits for. */
async function mayPass(service, error, busy) {
  const { status, retryAfterSeconds: seconds } = error;
  if (error instanceof ConnectionLost || status === 401 || status === 503) {
    await service.check();
    return service.state !== "ready";
  }
  if (status !== 429 || seconds === null || seconds > MAX_WAIT_SECONDS) return false;
  await busy(error);
  return true;
}

/** Count whole seconds down to 0; a click on `skip` ends it at once. */
export async function countDown(seconds, tick, signal, skip) {
  const end = performance.now() + seconds * 1000;
  let timer = 0;
  await new Promise((resolve, reject) => {
    const turn = () => {
      const left = Math.ceil((end - performance.now()) / 1000);
      if (left > 0) tick(left);
      else resolve(left);
    };
    timer = setInterval(turn, 250);
    signal.addEventListener("abort", () => reject(signal.reason));
    skip.addEventListener("click", resolve, { once: true });
    turn();
  }).finally(() => clearInterval(timer));
}
