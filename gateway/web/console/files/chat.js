/* The page: what the module knows is shown, each message in an element of its own. */

import { LettaChat } from "./letta-chat.js";

const at = (id) => document.getElementById(id);
const session = `page-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
const where = new URL("/ws", location.href);
where.protocol = where.protocol === "https:" ? "wss:" : "ws:";

const chat = new LettaChat({ url: where.href });
window.chat = chat;

chat.addEventListener("message", (event) => show(event.detail));
chat.addEventListener("state", (event) => {
  at("connection").value = event.detail === "open" ? "" : `${event.detail}…`;
});
at("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = at("content").value.trim();
  if (!content || !at("agent").value) return;
  chat.send({ agentId: at("agent").value, session, content });
  at("content").value = "";
});
at("content").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey) return;
  event.preventDefault();
  at("say").requestSubmit();
});
at("stop").addEventListener("click", () => {
  for (const message of streaming()) chat.interrupt(message.id);
});
at("key").addEventListener("change", begin);

function streaming() {
  return [...chat.messages.values()].filter((message) => message.state === "streaming");
}

/* Text is put in as text: whatever an agent says, it is no part of this page. */
function show(message) {
  const element = at(`m-${message.id}`) ?? added(message);
  element.dataset.state = message.state;
  element.querySelector(".text").textContent = message.text ?? "";
  const stopped = message.state === "cancelled" ? "Stopped" : "";
  element.querySelector(".status").textContent = message.status || stopped;
  element.querySelector(".error").textContent = message.error ?? "";
  const thoughts = element.querySelector("details");
  thoughts.hidden = !message.reasoning;
  thoughts.querySelector("p").textContent = message.reasoning ?? "";
  at("stop").hidden = streaming().length === 0;
  element.scrollIntoView({ block: "end" });
}

function added(message) {
  const element = document.createElement("article");
  element.id = `m-${message.id}`;
  element.className = message.sender;
  element.innerHTML =
    '<details hidden><summary>Thoughts</summary><p></p></details><p class="status"></p>' +
    '<p class="text"></p><p class="error"></p>';
  at("messages").append(element);
  return element;
}

async function begin() {
  const key = at("key").value;
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const answer = await fetch("/v1/models", { headers });
  at("key-field").hidden = answer.status !== 401 && !key;
  if (!answer.ok) return;
  const { data } = await answer.json();
  at("agent").replaceChildren(...data.map((model) => new Option(model.name, model.id)));
  chat.token = key || null;
  chat.open();
}

begin();
