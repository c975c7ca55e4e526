// Vercel's AI SDK asks the gateway; what it gives its users goes out as JSON.
//
//     node ask.mjs chat BASE_URL ASKED
//
// ASKED is JSON as tests/clients/driver.py has it. With `leaves` the answer is stopped after its
// first text, and the program lives on until its input ends: it is not its end that stops it.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";

const [, baseURL, json] = process.argv.slice(2);
const asked = JSON.parse(json);
const told = { pieces: [], reasoning: "", ran: [], usage: 0, error: "" };

const letta = createOpenAICompatible({
  name: "letta",
  baseURL,
  apiKey: "any",
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const form = z.object({
  city: z.string(),
  degrees: z.int().describe("how warm it is there"),
});
const get_weather = tool({
  description: "Tells the weather.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    told.ran.push(`sun in ${city}`);
    return told.ran.at(-1);
  },
});
const content = [{ type: "text", text: asked.said }];
if (asked.image) content.push({ type: "image", image: asked.image });
const aborting = new AbortController();
const request = {
  model: letta(asked.model),
  messages: [{ role: "user", content }],
  tools: asked.tools ? { get_weather } : undefined,
  stopWhen: isStepCount(5),
  maxRetries: 0,
  abortSignal: aborting.signal,
};

async function stream() {
  const result = streamText({ ...request, onError() {} });
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") told.pieces.push(part.text);
    if (part.type === "reasoning-delta") told.reasoning += part.text;
    if (part.type === "error") told.error = part.error.message;
    if (asked.leaves && part.type === "text-delta") break;
  }
  if (asked.leaves) await left();
  if (!told.error) told.usage = (await result.totalUsage).outputTokens;
}

async function whole() {
  const { text, reasoningText, totalUsage } = await generateText(request);
  told.pieces.push(text);
  told.reasoning = reasoningText ?? "";
  told.usage = totalUsage.outputTokens;
}

async function formed() {
  const { output } = await generateText({ ...request, output: Output.object({ schema: form }) });
  told.pieces.push(JSON.stringify(output));
}

async function left() {
  aborting.abort();
  console.log("left");
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.on("end", resolve));
  process.exit();
}

await (asked.form ? formed() : asked.whole ? whole() : stream());
console.log(JSON.stringify(told));
