// The official Node SDK asks the gateway; what came of it goes out as JSON.
//
//     node ask.mjs stream|helper|whole|abort|models BASE_URL MODEL SAID

import OpenAI from "openai";

const [what, baseURL, model, said] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0 });
const asked = { model, messages: [{ role: "user", content: said }] };

const commands = {
  async stream() {
    const stream = await client.chat.completions.create({
      ...asked,
      stream: true,
      stream_options: { include_usage: true },
    });
    const told = { text: "", reasoning: "", finishes: [], usage: null };
    for await (const { choices, usage } of stream) {
      for (const { delta, finish_reason } of choices) {
        told.text += delta.content ?? "";
        told.reasoning += delta.reasoning_content ?? "";
        if (finish_reason) told.finishes.push(finish_reason);
      }
      told.usage = usage ?? told.usage;
    }
    return told;
  },

  async helper() {
    const answer = await client.chat.completions.stream(asked).finalChatCompletion();
    return answer.choices[0];
  },

  async whole() {
    const { choices, usage } = await client.chat.completions.create(asked);
    return { ...choices[0], usage };
  },

  // Aborts at the first text, and lives on: it is not the process's end that closes the stream.
  async abort() {
    const aborting = new AbortController();
    const request = { ...asked, stream: true };
    const stream = await client.chat.completions.create(request, { signal: aborting.signal });
    for await (const { choices } of stream) {
      console.log(JSON.stringify({ text: choices[0].delta.content }));
      aborting.abort();
    }
    console.log(JSON.stringify({ aborted: aborting.signal.aborted }));
    process.stdin.resume();
    await new Promise((resolve) => process.stdin.on("end", resolve));
  },

  async models() {
    const listed = [];
    for await (const { id } of client.models.list()) listed.push(id);
    return { listed, found: await client.models.retrieve(model) };
  },
};

try {
  const told = await commands[what]();
  if (told) console.log(JSON.stringify(told));
} catch (error) {
  if (!(error instanceof OpenAI.APIError)) throw error;
  const { status, code, type, param, message, requestID } = error;
  const raised = error.constructor.name;
  console.log(JSON.stringify({ raised, status, code, type, param, message, requestID }));
}
