/*
A chat over the gateway's WebSocket, for pages of any make.

    const chat = new LettaChat({ url: "ws://127.0.0.1:8284/ws", token: "KEY" });
    chat.addEventListener("message", (event) => show(event.detail));
    chat.open();
    const id = chat.send({ agentName: "Milo", session: "s1", content: "Hello" });

Three rules keep it right whatever happens to the connection:
- A message has an id, and whatever comes of it changes the message of that id.
- Chunks are numbered. One that has been seen already is passed over.
- After a reconnect the page asks for the rest of what was being answered, and sends again what
  it does not know to have arrived. The gateway says a message with an id to the agent only once.
*/

const UNAUTHORIZED = 4401;

/* Errors at which an answer goes on: it was not stopped, or can be taken up a little later. */
const NOT_STOPPED = new Set(["stream_not_stopped", "too_many_answers"]);
const LATER = new Set(["store_unavailable", "gateway_stopping"]);

export class LettaChat extends EventTarget {
  /*
  connect, wait and random are there for tests. A wait after a lost connection is between half of
  it and all of it, so that many pages do not come back at once; it doubles from `least` to `most`.
  */
  constructor({
    url,
    token = null,
    least = 500,
    most = 15000,
    connect = (where) => new WebSocket(where, ["letta-gateway"]),
    wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    random = Math.random,
  }) {
    super();
    Object.assign(this, { url, token, least, most, connect, wait, random });
    this.messages = new Map();
    this.state = "closed";
    this._unanswered = new Map();
    this._stops = new Set();
    this._socket = null;
    this._failures = 0;
    this._wanted = false;
  }

  open() {
    this._wanted = true;
    if (this._socket === null && this.state !== "waiting") this._connect();
  }

  close() {
    this._wanted = false;
    this._socket?.close();
    this._become("closed");
  }

  /* Say something; the id of the message, whose answer has it as `replyTo`. */
  send({ agentId, agentName, session, content, ...more }) {
    const id = newId();
    const frame = { type: "message", id, agentId, agentName, session_id: session, content, ...more };
    this._unanswered.set(id, frame);
    this._change({ id, sender: "user", session, text: content, state: "sending" });
    this._tell(frame);
    return id;
  }

  /* Stop an answer, by its id or by that of the message it answers. */
  interrupt(id) {
    this._stops.add(id);
    this._tell({ type: "interrupt", id });
  }

  _connect() {
    this._become("connecting");
    const socket = this.connect(this.url);
    this._socket = socket;
    socket.onopen = () => this._opened(socket);
    socket.onmessage = (event) => this._heard(socket, JSON.parse(event.data));
    socket.onclose = (event) => this._closed(socket, event.code);
  }

  _opened(socket) {
    if (socket !== this._socket) return;
    this._become("open");
    if (this.token !== null) this._tell({ type: "auth", token: this.token });
    for (const message of this.messages.values()) {
      if (message.state === "streaming") {
        this._tell({ type: "resume", id: message.id, after: message.seq });
      }
    }
    for (const frame of this._unanswered.values()) this._tell(frame);
    for (const id of this._stops) this._tell({ type: "interrupt", id });
  }

  async _closed(socket, code) {
    if (socket !== this._socket) return;
    this._socket = null;
    if (!this._wanted) return;
    if (code === UNAUTHORIZED) {
      this._wanted = false;
      this._become("unauthorized");
      return;
    }
    this._become("waiting");
    const longest = Math.min(this.most, this.least * 2 ** this._failures++);
    await this.wait(longest * (0.5 + this.random() / 2));
    if (this._wanted && this._socket === null) this._connect();
  }

  _tell(frame) {
    if (this.state === "open") this._socket.send(JSON.stringify(frame));
  }

  _heard(socket, frame) {
    if (socket !== this._socket) return;
    this._failures = 0;
    if (frame.type === "message_stream") this._stream(frame);
    else if (frame.type === "message") this._whole(frame);
    else if (frame.type === "interrupted") this._stopped(frame.id);
    else if (frame.type === "error") this._failed(frame);
  }

  _stream(frame) {
    const known = this.messages.get(frame.id);
    const message = known ?? this._begun(frame);
    if (frame.seq !== undefined) {
      // A gateway that was killed may have told more than it knows now: its last words count.
      const last = frame.stream_end || frame.chunk.type === "error";
      if (last ? message.state !== "streaming" : frame.seq <= message.seq) return;
      message.seq = Math.max(message.seq, frame.seq);
    } else if (known && (frame.stream_start || known.state !== "streaming")) {
      return;
    }
    message.agentId = frame.agentId;
    message.agentName = frame.agentName;
    if (frame.stream_chunk) add(message, frame.chunk);
    if (frame.stream_end) {
      message.state = frame.metadata.state;
      message.status = "";
      this._stopped(message.id);
    }
    this._change(message);
  }

  _begun(frame) {
    const message = this._answer(frame);
    Object.assign(message, { state: "streaming", text: "", reasoning: "", status: "", seq: 0 });
    return message;
  }

  _whole(frame) {
    if (this.messages.has(frame.id)) return;
    const message = this._answer(frame);
    this._stopped(message.id);
    this._change(Object.assign(message, { state: "finished", text: frame.content }));
  }

  /* The answer that a frame is of; what it answers has arrived. */
  _answer(frame) {
    const replyTo = frame.metadata.reply_to;
    this._arrived(replyTo, "sent");
    const message = { id: frame.id, sender: frame.sender, session: frame.session_id, replyTo };
    this.messages.set(message.id, message);
    return message;
  }

  /* Nothing is left to stop of this answer. */
  _stopped(id) {
    this._stops.delete(id);
    this._stops.delete(this.messages.get(id)?.replyTo);
  }

  _failed(frame) {
    if (frame.reply_to !== undefined) this._arrived(frame.reply_to, "failed", frame.message);
    const message = this.messages.get(frame.id);
    const streaming = message?.state === "streaming";
    if (streaming && LATER.has(frame.code)) {
      this._socket.close();
      return;
    }
    this._stops.delete(frame.id);
    if (streaming && !NOT_STOPPED.has(frame.code)) {
      this._change(Object.assign(message, { state: "failed", error: frame.message, status: "" }));
    }
    this.dispatchEvent(new CustomEvent("problem", { detail: frame }));
  }

  _arrived(id, state, error) {
    if (!this._unanswered.delete(id)) return;
    this._change(Object.assign(this.messages.get(id), { state, error }));
  }

  _change(message) {
    this.messages.set(message.id, message);
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  _become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}

function add(message, chunk) {
  if (chunk.type === "message") {
    message.text += chunk.content;
    message.status = "";
  } else if (chunk.type === "status") {
    message.status = chunk.content;
    message.reasoning += chunk.reasoning ?? "";
  } else if (chunk.type === "error") {
    message.error = chunk.message;
  }
}

/* randomUUID is there only on pages that came by https, or from this machine. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
