/* What Letta and OpenAI say, event by event. The form is that of recorded answers. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include "net.h"
#include "text.h"

#define AGENT_ID "agent-00000000-0000-4000-8000-000000000001"

struct shape {
    int reasoning, content;
    int64_t pace_us; /* 0: as fast as it is taken */
};

struct answer {
    struct shape shape;
    uint32_t seed;
    unsigned number; /* of the run */
    int openai, with_usage;
};

static inline int deltas(const struct answer *a)
{
    return a->shape.reasoning + a->shape.content;
}

/* A ping or the role before the deltas; after them why it stopped, what it took, and [DONE]. */
static inline int events(const struct answer *a)
{
    return 1 + deltas(a) + (a->openai ? 1 + a->with_usage : 2) + 1;
}

static inline const char *delta_text(const struct answer *a, int k)
{
    int r = a->shape.reasoning;
    return k < r ? word_of(a->seed, k, 0, r)->json
                 : word_of(a->seed, k, r, deltas(a))->json;
}

static inline int letta_message(const struct answer *a, char *out, const char *kind, const char *end)
{
    unsigned n = a->number;
    int part = !strcmp(kind, "reasoning_message") ? 0x80 : 0x81;
    return sprintf(out,
        "{\"id\":\"message-869a9f2b-1518-4231-b002-2bb7%08x\",\"date\":\"2026-11-20T03:25:11+00:00\","
        "\"name\":null,\"message_type\":\"%s\",\"otid\":\"869a9f2b-1518-4231-b002-2bb77d785a%02x\","
        "\"sender_id\":null,\"step_id\":\"step-d6cd8dab-c2b7-4ebd-a67d-befa%08x\",\"is_err\":null,"
        "\"seq_id\":null,\"run_id\":\"run-2cb0ce39-5034-437a-94ca-d976%08x\",%s",
        n, kind, (unsigned)part, n, n, end);
}

static inline int letta_usage(const struct answer *a, char *out)
{
    return sprintf(out,
        "{\"message_type\":\"usage_statistics\",\"completion_tokens\":%d,\"prompt_tokens\":102,"
        "\"total_tokens\":%d,\"step_count\":1,\"run_ids\":null,\"cached_input_tokens\":7,"
        "\"cache_write_tokens\":null,\"reasoning_tokens\":%d,\"context_tokens\":%d}",
        deltas(a), 102 + deltas(a), a->shape.reasoning, 102 + deltas(a));
}

#define STOPPED "{\"message_type\":\"stop_reason\",\"stop_reason\":\"end_turn\"}"

static inline int letta_event(const struct answer *a, int index, char *out)
{
    int k = index - 1, past = k - deltas(a);
    if (index == 0)
        return sprintf(out,
            "{\"id\":\"ping-163b6421-8b50-4c64-a816-c1e5%08x\",\"date\":\"2026-11-20T03:25:11+00:00\","
            "\"name\":null,\"message_type\":\"ping\",\"otid\":null,\"sender_id\":null,"
            "\"step_id\":null,\"is_err\":null,\"seq_id\":null,"
            "\"run_id\":\"run-2cb0ce39-5034-437a-94ca-d976%08x\"}", a->number, a->number);
    if (past == 0)
        return sprintf(out, STOPPED);
    if (past == 1)
        return letta_usage(a, out);
    if (past == 2)
        return sprintf(out, "[DONE]");
    char end[128];
    if (k < a->shape.reasoning) {
        sprintf(end, "\"source\":\"reasoner_model\",\"reasoning\":\"%s\",\"signature\":null}",
                delta_text(a, k));
        return letta_message(a, out, "reasoning_message", end);
    }
    sprintf(end, "\"content\":\"%s\"}", delta_text(a, k));
    return letta_message(a, out, "assistant_message", end);
}

#define OPENAI_HEAD \
    "{\"id\":\"chatcmpl-869a9f2b15184231b0022bb7%08x\",\"object\":\"%s\"," \
    "\"created\":1795145111,\"model\":\"bench\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":["
#define OPENAI_CHOICE "{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]%s}"

static inline int openai_usage(const struct answer *a, char *out)
{
    return sprintf(out,
        "\"usage\":{\"prompt_tokens\":102,\"completion_tokens\":%d,\"total_tokens\":%d,"
        "\"completion_tokens_details\":{\"reasoning_tokens\":%d}}",
        deltas(a), 102 + deltas(a), a->shape.reasoning);
}

static inline int openai_event(const struct answer *a, int index, char *out)
{
    int k = index - 1, past = k - deltas(a);
    if (past == 1 + a->with_usage)
        return sprintf(out, "[DONE]");
    const char *usage = a->with_usage ? ",\"usage\":null" : "";
    char *end = out + sprintf(out, OPENAI_HEAD, a->number, "chat.completion.chunk");
    if (past == 1) {
        end += sprintf(end, "],");
        end += openai_usage(a, end);
        end += sprintf(end, "}");
        return (int)(end - out);
    }
    char delta[128];
    if (index == 0)
        sprintf(delta, "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null");
    else if (past == 0)
        delta[0] = 0;
    else
        sprintf(delta, k < a->shape.reasoning ? "\"reasoning_content\":\"%s\"" : "\"content\":\"%s\"",
                delta_text(a, k));
    end += sprintf(end, OPENAI_CHOICE, delta, past == 0 ? "\"stop\"" : "null", usage);
    return (int)(end - out);
}

static inline int event(const struct answer *a, int index, char *out)
{
    return a->openai ? openai_event(a, index, out) : letta_event(a, index, out);
}

static inline void whole_text(const struct answer *a, struct buffer *out, int from, int to)
{
    for (int k = from; k < to; k++)
        append_text(out, delta_text(a, k));
}

/* The same answer, not streamed. */
static inline void whole(const struct answer *a, struct buffer *out)
{
    char some[1024];
    int r = a->shape.reasoning, all = deltas(a);
    if (a->openai) {
        sprintf(some, OPENAI_HEAD "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
                a->number, "chat.completion");
        append_text(out, some);
        whole_text(a, out, r, all);
        append_text(out, r ? "\",\"refusal\":null,\"reasoning_content\":\"" : "\",\"refusal\":null");
        whole_text(a, out, 0, r);
        append_text(out, r ? "\"}" : "}");
        append_text(out, ",\"logprobs\":null,\"finish_reason\":\"stop\"}],");
        openai_usage(a, some);
        append_text(out, some);
        append_text(out, "}");
        return;
    }
    append_text(out, "{\"messages\":[");
    if (r) {
        letta_message(a, some, "reasoning_message", "\"source\":\"reasoner_model\",\"reasoning\":\"");
        append_text(out, some);
        whole_text(a, out, 0, r);
        append_text(out, "\",\"signature\":null},");
    }
    letta_message(a, some, "assistant_message", "\"content\":\"");
    append_text(out, some);
    whole_text(a, out, r, all);
    append_text(out, "\"}],\"stop_reason\":" STOPPED ",\"usage\":");
    letta_usage(a, some);
    append_text(out, some);
    append_text(out, ",\"logprobs\":null,\"turns\":null}");
}

#define AGENT \
    "{\"created_by_id\":\"user-00000000-0000-4000-8000-000000000000\",\"last_updated_by_id\":" \
    "\"user-00000000-0000-4000-8000-000000000000\",\"created_at\":\"2026-11-20T03:25:11.938411Z\"," \
    "\"updated_at\":\"2026-11-20T03:25:11.938411Z\",\"id\":\"" AGENT_ID "\",\"name\":\"Bench\"," \
    "\"message_ids\":[\"message-91f6a402-545a-44c9-adc5-0b393637bbf8\"],\"system\":\"\"," \
    "\"agent_type\":\"letta_v1_agent\",\"llm_config\":{\"model\":\"bench\"," \
    "\"model_endpoint_type\":\"openai\",\"model_endpoint\":\"http://model.invalid/v1\"," \
    "\"context_window\":30000,\"handle\":\"openai-proxy/bench\",\"parallel_tool_calls\":false}," \
    "\"model\":\"openai-proxy/bench\",\"description\":null,\"metadata\":null,\"memory\":{" \
    "\"agent_type\":\"letta_v1_agent\",\"blocks\":[],\"file_blocks\":[]},\"tools\":[],\"tags\":[]," \
    "\"tool_rules\":[],\"pending_approval\":null,\"message_buffer_autoclear\":false,\"hidden\":null," \
    "\"embedding_config\":null,\"embedding\":null,\"model_settings\":{\"provider_type\":\"openai\"," \
    "\"parallel_tool_calls\":true},\"compaction_settings\":null,\"response_format\":null," \
    "\"blocks\":[],\"sources\":[],\"identity_ids\":[],\"identities\":[],\"enable_sleeptime\":null," \
    "\"multi_agent_group\":null,\"managed_group\":null,\"last_run_completion\":null," \
    "\"last_run_duration_ms\":null,\"last_stop_reason\":null,\"timezone\":\"UTC\"}"

#define CONVERSATION \
    "{\"created_at\":\"2026-11-20T03:25:11.942557Z\",\"updated_at\":\"2026-11-20T03:25:11.942557Z\"," \
    "\"id\":\"conv-00000000-0000-4000-8000-0000%08x\",\"agent_id\":\"" AGENT_ID "\"," \
    "\"summary\":null,\"in_context_message_ids\":[],\"isolated_block_ids\":[],\"model\":null," \
    "\"model_settings\":null,\"last_message_at\":null}"

#define MODELS \
    "{\"object\":\"list\",\"data\":[{\"id\":\"bench\",\"object\":\"model\",\"created\":1795145111," \
    "\"owned_by\":\"bench\"}]}"

#endif
