// OpenAI's Node SDK asks the gateway; what it gives its users goes out as JSON.
//
//     node ask.mjs chat|responses BASE_URL ASKED
//
// ASKED is JSON as tests/clients/driver.py has it. With `leaves` the answer is stopped after its
// first text, and the program lives on until its input ends: it is not its end that stops it.

import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const [api, baseURL, json] = process.argv.slice(2);
const asked = JSON.parse(json);
const { model, said, image } = asked;
const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0 });
const told = { pieces: [], reasoning: "", ran: [], usage: 0, error: "" };

const tool = {
  name: "get_weather",
  description: "Tells the weather.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};

const form = z.object({
  city: z.string(),
  degrees: z.int().describe("how warm it is there"),
});

function weather({ city }) {
  told.ran.push(`sun in ${city}`);
  return told.ran.at(-1);
}

const asks = {
  // Tools are run by the SDK's own runner, streams are read by its helper.
  async chat() {
    const text = { type: "text", text: said };
    const content = image ? [text, { type: "image_url", image_url: { url: image } }] : said;
    const messages = [{ role: "user", content }];
    if (asked.form) {
      const response_format = zodResponseFormat(form, "weather");
      const answer = await client.chat.completions.parse({ model, messages, response_format });
      return told.pieces.push(JSON.stringify(answer.choices[0].message.parsed));
    }
    const runs = { type: "function", function: { ...tool, parse: JSON.parse, function: weather } };
    const stream = !asked.whole;
    const options = stream ? { stream, stream_options: { include_usage: true } } : {};
    const runner = client.chat.completions.runTools({
      model,
      messages,
      tools: asked.tools ? [runs] : [],
      ...options,
    });
    if (stream) runner.on("content", (piece) => piece && told.pieces.push(piece));
    if (asked.leaves) await left(runner, "content");
    if (stream) await runner.done();
    else told.pieces.push(await runner.finalContent());
    for (const { message } of runner.allChatCompletions().flatMap(({ choices }) => choices))
      told.reasoning += message.reasoning_content ?? "";
    told.usage = (await runner.totalUsage()).completion_tokens;
  },

  // Each response follows the one before.
  async responses() {
    const content = [{ type: "input_text", text: said }];
    if (image) content.push({ type: "input_image", image_url: image, detail: "auto" });
    const request = { model, tools: asked.tools ? [{ type: "function", ...tool }] : [] };
    let input = [{ role: "user", content }];
    if (asked.form) {
      const text = { format: zodTextFormat(form, "weather") };
      const { output_parsed } = await client.responses.parse({ model, input, text });
      return told.pieces.push(JSON.stringify(output_parsed));
    }
    while (input.length) {
      const response = await responded({ ...request, input });
      const calls = response.output.filter(({ type }) => type === "function_call");
      input = calls.map(({ call_id, arguments: given }) => {
        const output = weather(JSON.parse(given));
        return { type: "function_call_output", call_id, output };
      });
      request.previous_response_id = response.id;
    }
  },
};

async function responded(request) {
  let response;
  if (asked.whole) {
    response = await client.responses.create(request);
    told.pieces.push(response.output_text);
  } else {
    const kept = asked.leaves ? { store: false } : {};
    const stream = client.responses.stream({ ...request, ...kept });
    stream.on("response.output_text.delta", ({ delta }) => told.pieces.push(delta));
    stream.on("response.failed", (event) => (told.error = event.response.error.message));
    if (asked.leaves) await left(stream, "response.output_text.delta");
    response = await stream.finalResponse();
  }
  for (const { type, summary } of response.output)
    if (type === "reasoning") told.reasoning += summary.map(({ text }) => text).join("");
  told.usage += response.usage?.output_tokens ?? 0;
  return response;
}

async function left(stream, event) {
  await stream.emitted(event);
  stream.abort();
  console.log("left");
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.on("end", resolve));
  process.exit();
}

try {
  await asks[api]();
} catch (error) {
  if (!(error instanceof OpenAI.OpenAIError)) throw error;
  told.error = error.message;
}
console.log(JSON.stringify(told));
