// A client written against generated types: it compiles only while they are those of the service.

import createClient from "openapi-fetch";
import type { components, paths } from "./medqa.js";

type Schemas = components["schemas"];
declare const process: { argv: string[] };

const [baseUrl, key] = process.argv.slice(2);
const headers = { "X-API-Key": key };
const service = createClient<paths, "application/json" | "application/problem+json">({
  baseUrl,
  headers,
});

const question = "What is asthma?";
// @ts-expect-error: a misspelled field does not compile
export const misspelled: Schemas["AnswerRequest"] = { question, temprature: 1 };

const answer = await service.POST("/answer", { body: { question } });
if (!answer.data) throw new Error(answer.error.detail);
const reason: "end" | "length" | "notice" = answer.data.finish_reason;
const noticed: number = answer.data.notices?.length ?? 0;

const compared = await service.POST("/compare", { body: { question, reference: "A disease." } });
if (!compared.data) throw new Error(compared.error.detail);
const sides = (["fine_tuned", "base"] as const).filter((name) => {
  const side = compared.data[name];
  return "problem" in side ? false : side.scores!.token_f1 >= 0;
});

const invalid = await service.POST("/answer", { body: { question, max_new_tokens: 1e6 } });
const problem: Schemas["Problem"] | undefined = invalid.error;
const wrong = problem?.errors?.map((error) => error.field);

const refused = await service.GET("/v1/models", { headers: { "X-API-Key": "wrong" } });
const error: Schemas["ErrorResponse"] | undefined = refused.error;

const chat = await service.POST("/v1/chat/completions", {
  body: { model: "base", messages: [{ role: "user", content: question }] },
});
const finish = chat.data?.choices[0].finish_reason;

const streamed = await fetch(`${baseUrl}/answer`, {
  method: "POST",
  headers: { ...headers, "Content-Type": "application/json" },
  body: JSON.stringify({ question, stream: true } satisfies Schemas["AnswerRequest"]),
});
let tokens = 0;
for (const block of (await streamed.text()).split("\n\n").filter(Boolean)) {
  const lines = new Map(block.split("\n").map((line) => line.split(/: (.*)/s) as [string, string]));
  const event = Object.fromEntries(lines) as Schemas["AnswerEvent"];
  if (event.event === "token") tokens += (JSON.parse(event.data) as Schemas["TokenBody"]).text.length;
}

console.log(
  JSON.stringify({
    model: answer.data.model,
    reason,
    noticed,
    sides,
    wrong,
    refused: [refused.response.status, error?.error.type],
    finish,
    tokens,
  }),
);
