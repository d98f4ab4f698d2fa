// What openai-node makes of the service in its default settings; prints one JSON object.

import OpenAI from "openai";

const [baseURL] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none" });
const question = { role: "user", content: "What is asthma?" };

async function refusal(work) {
  try {
    await work;
    return null;
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, said: error.message };
  }
}

const models = [];
for await (const model of client.models.list()) models.push(model.id);

const plain = { model: "base", messages: [question] };
const chat = await client.chat.completions.create(plain);

let streamed = "";
let usage = null;
const options = { ...plain, stream: true, stream_options: { include_usage: true } };
for await (const chunk of await client.chat.completions.create(options)) {
  streamed += chunk.choices[0]?.delta.content ?? "";
  usage = chunk.usage ?? usage;
}

const helped = await client.chat.completions.stream(plain).finalContent();

const call = { id: "1", type: "function", function: { name: "look_up", arguments: "{}" } };
const conversation = [
  { role: "system", content: "Be brief." },
  question,
  { role: "assistant", content: null, tool_calls: [call] },
  { role: "tool", tool_call_id: "1", content: "A disease." },
  chat.choices[0].message,
  question,
];
const continued = await client.chat.completions.create({ ...plain, messages: conversation });

const completion = await client.completions.create({ model: "base", prompt: "Asthma", max_tokens: 3 });

console.log(
  JSON.stringify({
    models,
    chat: chat.choices[0].message.content,
    streamed,
    helped,
    continued: continued.choices[0].message.content,
    usage,
    completed: completion.usage.completion_tokens,
    tools: await refusal(client.chat.completions.create({ ...plain, tools: [{ type: "function", function: { name: "f" } }] })),
    unknown: await refusal(client.chat.completions.create({ ...plain, model: "gpt-9" })),
    responses: await refusal(client.responses.create({ model: "base", input: "Hello" })),
    doubled: await refusal(new OpenAI({ baseURL: `${baseURL}/v1`, apiKey: "none" }).models.list()),
  }),
);
