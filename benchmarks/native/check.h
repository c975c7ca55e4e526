/* Reads answers as they come and compares each text with the one that was to come. */
#ifndef CHECK_H
#define CHECK_H

#include "net.h"
#include "text.h"

/* How far one part of the answer, its reasoning or its content, has come. */
struct part {
    int first, end, k;
    size_t within;
};

struct check {
    uint32_t seed;
    int letta, whole, done, deltas;
    struct part reasoning, content;
    const char *wrong; /* the first thing that was */
};

static inline void expect(struct check *c, uint32_t seed, int reasoning, int content)
{
    int letta = c->letta, whole = c->whole, all = reasoning + content;
    *c = (struct check){.seed = seed, .letta = letta, .whole = whole};
    c->reasoning = (struct part){0, reasoning, 0, 0};
    c->content = (struct part){reasoning, all, reasoning, 0};
}

static inline void compare(struct check *c, struct part *part, const char *text, size_t length)
{
    while (length && !c->wrong) {
        if (part->k >= part->end) {
            c->wrong = "more text than was sent";
            return;
        }
        const char *word = word_of(c->seed, part->k, part->first, part->end)->plain;
        size_t rest = strlen(word) - part->within, now = rest < length ? rest : length;
        if (memcmp(word + part->within, text, now))
            c->wrong = "another text than was sent";
        text += now;
        length -= now;
        part->within += now;
        if (now == rest) {
            part->k++;
            part->within = 0;
        }
    }
}

/* What is wrong with an answer that has ended; NULL if it is whole. Reasoning may be left out
 * altogether: there are gateways that do not show it. */
static inline const char *verdict(const struct check *c)
{
    if (c->wrong)
        return c->wrong;
    if (c->content.k < c->content.end)
        return "text is missing";
    if (c->reasoning.k < c->reasoning.end && (c->reasoning.k > 0 || c->reasoning.within))
        return "reasoning is missing";
    if (!c->done)
        return "it did not say [DONE]";
    return NULL;
}

/* -- JSON, as far as is needed: every string, with the keys it stands under ----------------- */

enum { DEEPEST = 12 };

struct scan {
    const char *at, *end;
    int depth;
    struct { const char *key; size_t length; } keys[DEEPEST + 1];
    struct check *check;
    const char *reasoning_key; /* some say it twice, under two keys */
};

static inline int key_is(const struct scan *s, int depth, const char *key)
{
    return s->keys[depth].key && s->keys[depth].length == strlen(key)
        && !memcmp(s->keys[depth].key, key, s->keys[depth].length);
}

static inline size_t unescape(char *text, size_t length)
{
    char *to = text;
    for (const char *p = text, *end = text + length; p < end; p++) {
        if (*p != '\\' || p + 1 >= end) {
            *to++ = *p;
            continue;
        }
        switch (*++p) {
        case 'n': *to++ = '\n'; break;
        case 't': *to++ = '\t'; break;
        case 'r': *to++ = '\r'; break;
        case 'u': {
            char digits[5] = {0};
            if (end - p < 5)
                return 0;
            memcpy(digits, p + 1, 4);
            *to++ = (char)strtoul(digits, NULL, 16); /* the words are ASCII */
            p += 4;
            break;
        }
        default: *to++ = *p;
        }
    }
    return (size_t)(to - text);
}

static inline void on_string(struct scan *s, const char *text, size_t length)
{
    struct check *c = s->check;
    /* choices [ { delta { content, or messages [ { content, or content alone */
    int depth = c->letta ? (c->whole ? 2 : 0) : 3;
    if (s->depth != depth || !length)
        return;
    if (!c->letta && !(key_is(s, 0, "choices") && key_is(s, 2, c->whole ? "message" : "delta")))
        return;
    if (c->letta && c->whole && !key_is(s, 0, "messages"))
        return;
    struct part *part = NULL;
    if (key_is(s, depth, "content"))
        part = &c->content;
    else if (key_is(s, depth, "reasoning_content") || key_is(s, depth, "reasoning")) {
        const char *key = key_is(s, depth, "reasoning") ? "reasoning" : "reasoning_content";
        if (s->reasoning_key && s->reasoning_key != key)
            return;
        s->reasoning_key = key;
        part = &c->reasoning;
    }
    if (!part)
        return;
    static struct buffer plain;
    plain.length = 0;
    append(&plain, text, length);
    if (memchr(plain.at, '\\', length))
        length = unescape(plain.at, length);
    compare(c, part, plain.at, length);
    c->deltas++;
}

static inline int scan_value(struct scan *s);

static inline void blanks(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

static inline int scan_string(struct scan *s, const char **text, size_t *length)
{
    if (s->at >= s->end || *s->at != '"')
        return 0;
    *text = ++s->at;
    for (; s->at < s->end && *s->at != '"'; s->at++)
        if (*s->at == '\\')
            s->at++;
    if (s->at >= s->end)
        return 0;
    *length = (size_t)(s->at++ - *text);
    return 1;
}

static inline int scan_inside(struct scan *s, char close)
{
    s->at++;
    blanks(s);
    if (s->at < s->end && *s->at == close)
        return s->at++, 1;
    for (;;) {
        blanks(s);
        s->keys[s->depth].key = NULL;
        if (close == '}') {
            if (!scan_string(s, &s->keys[s->depth].key, &s->keys[s->depth].length))
                return 0;
            blanks(s);
            if (s->at >= s->end || *s->at++ != ':')
                return 0;
        }
        if (!scan_value(s))
            return 0;
        blanks(s);
        if (s->at >= s->end)
            return 0;
        if (*s->at == close)
            return s->at++, 1;
        if (*s->at++ != ',')
            return 0;
    }
}

static inline int scan_value(struct scan *s)
{
    const char *text;
    size_t length;
    blanks(s);
    if (s->at >= s->end)
        return 0;
    if (*s->at == '"') {
        if (!scan_string(s, &text, &length))
            return 0;
        on_string(s, text, length);
        return 1;
    }
    if (*s->at == '{' || *s->at == '[') {
        if (s->depth >= DEEPEST)
            return 0;
        s->depth++;
        int good = scan_inside(s, *s->at == '{' ? '}' : ']');
        s->depth--;
        return good;
    }
    for (text = s->at; s->at < s->end && strchr("+-.0123456789aeflnrstuE", *s->at);)
        s->at++;
    return s->at > text;
}

/* Read one event's data, or a whole answer. */
static inline void read_json(struct check *c, const char *data, size_t length)
{
    struct scan s = {.at = data, .end = data + length, .depth = -1, .check = c};
    if (length > 9 && !memcmp(data, "{\"error\":", 9)) {
        if (!c->wrong)
            c->wrong = "it says that there was an error";
        return;
    }
    if (!scan_value(&s) && !c->wrong)
        c->wrong = "what came is not JSON";
}

/* One line of a stream of events. */
static inline void read_line(struct check *c, const char *line, size_t length)
{
    if (length && line[length - 1] == '\r')
        length--;
    if (length < 5 || memcmp(line, "data:", 5))
        return;
    line += 5;
    length -= 5;
    if (length && *line == ' ')
        line++, length--;
    if (length == 6 && !memcmp(line, "[DONE]", 6))
        c->done = 1;
    else if (c->done && !c->wrong)
        c->wrong = "it went on after [DONE]";
    else
        read_json(c, line, length);
}

#endif
