// OpenAI's Node SDK runs tools by itself; what came of it goes out as JSON.
//
//     node run_tools.mjs stream|whole BASE_URL MODEL SAID

import OpenAI from "openai";

const [how, baseURL, model, said] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0 });
const told = { calls: [], results: [], text: "" };

const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
};
const tool = (name) => ({
  type: "function",
  function: {
    name,
    parameters,
    description: `Runs ${name}`,
    parse: JSON.parse,
    function: async ({ city }) => `${name} of ${city}`,
  },
});

const runner = client.chat.completions
  .runTools({
    model,
    stream: how === "stream",
    messages: [{ role: "user", content: said }],
    tools: [tool("get_weather"), tool("get_time")],
  })
  .on("functionToolCall", ({ name }) => told.calls.push(name))
  .on("functionToolCallResult", (result) => told.results.push(result));
told.text = await runner.finalContent();
console.log(JSON.stringify(told));
