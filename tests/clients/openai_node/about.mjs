// What OpenAI's Node SDK says of models and errors, as JSON.
//
//     node about.mjs BASE_URL MODEL

import OpenAI from "openai";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0 });

async function raised(model, said) {
  const messages = [{ role: "user", content: said }];
  try {
    await client.chat.completions.create({ model, messages, stream: true });
  } catch (error) {
    const { status, code, type, param, requestID } = error;
    return { raised: error.constructor.name, status, code, type, param, requestID };
  }
}

const listed = [];
for await (const { id } of client.models.list()) listed.push(id);
const found = await client.models.retrieve(model);
const unknown = await raised("Nobody", "Hello");
const limited = await raised(model, "@@err429@@");
console.log(JSON.stringify({ listed, found, unknown, limited }));
