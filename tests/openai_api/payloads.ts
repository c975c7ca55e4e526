// What the gateway sends and what it is sent, in the words of OpenAI's own package.
import type * as chat from "openai/resources/chat/completions";
import type * as conversations from "openai/resources/conversations/conversations";
import type { Model } from "openai/resources/models";
import type { ResponseItemList } from "openai/resources/responses/input-items";
import type * as responses from "openai/resources/responses/responses";
import type { ErrorObject } from "openai/resources/shared";

export interface Payloads {
  completion: chat.ChatCompletion;
  chunk: chat.ChatCompletionChunk;
  response: responses.Response;
  event: responses.ResponseStreamEvent;
  input_items: ResponseItemList;
  conversation: conversations.Conversation;
  conversation_deleted: conversations.ConversationDeletedResource;
  model: Model;
  models: { object: "list"; data: Model[] };
  error: { error: ErrorObject };
}
export type ChatFields = keyof chat.ChatCompletionCreateParamsBase;
export type ResponseFields = keyof responses.ResponseCreateParamsBase;
