/** Numbers and outcomes in plain words. Knows nothing about the page's elements. */

const number = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact" });

export const answered = (side) => "answer" in side;

export const counted = (count, unit) => `${number.format(count)} ${unit}${count === 1 ? "" : "s"}`;

export const percent = (share) => `${Math.round(share * 100)}%`;

export function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

export function wait(seconds) {
  if (seconds < 120) return counted(seconds, "second");
  return seconds < 7200
    ? counted(Math.ceil(seconds / 60), "minute")
    : counted(Math.ceil(seconds / 3600), "hour");
}

export const size = (parameters) => `${compact.format(parameters)} parameters`;

export function stats({ finish_reason, usage, timing }) {
  const { completion_tokens } = usage;
  const writing = (timing.total_ms - timing.first_token_ms) / 1000;
  const speed = completion_tokens > 1 && writing > 0 ? (completion_tokens - 1) / writing : null;
  return [
    ["Finish", finish_reason === "end" ? "ended by itself" : "cut at the limit"],
    ["Length", counted(completion_tokens, "token")],
    ["First token", duration(timing.first_token_ms)],
    ["Speed", speed === null ? "–" : `${number.format(Math.round(speed))} tokens/s`],
  ];
}

export function difference(tuned, base) {
  if (tuned.finish_reason === "notice") return "Neither gave an answer: the notice comes first.";
  if (tuned.answer === base.answer) return "Both models gave the same answer.";
  const end = ({ finish_reason, usage }) =>
    (finish_reason === "end" ? "ended its answer by itself after " : "ran on until it was cut off at ") +
    counted(usage.completion_tokens, "token");
  return `The fine-tuned model ${end(tuned)}. The base ${end(base)}.`;
}
