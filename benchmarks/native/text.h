/* The text of an answer: a word a delta, chosen by the request's seed. The upstream writes it
 * and the load knows it, so what is lost, doubled, out of order or another's is seen. */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>
#include <string.h>

struct word {
    const char *plain; /* as a reader has it */
    const char *json;  /* as it stands in JSON */
};

#define W(s) {s, s}

static const struct word WORDS[64] = {
    W(" the"), W(" answer"), W(" is"), W(" not"), W(" in"), W(" what"), W(" one"), W(" sees"),
    W(" first"), W(","), W(" but"), W(" it"), W(" follows"), W(" from"), W(" a"), W(" second"),
    W(" look"), W("."), W(" So"), W(" we"), W(" take"), W(" both"), W(" parts"), W(" and"),
    W(" add"), W(" them"), W(":"), W(" three"), W(" plus"), W(" four"), W(" makes"), W(" seven"),
    {".\n\n", ".\\n\\n"}, W("Then"), W(" there"), W(" are"), W(" `names"), W("`"), W(" of"),
    W(" things"), {"\n- ", "\\n- "}, W("**bold"), W("**"), W(" words"), W(" within"), W(" lists"),
    {" \"quoted", " \\\"quoted"}, {"\"", "\\\""}, W(" under"), W("stand"), W("ing"), W(" inter"),
    W("nation"), W("al"), W(" co"), W("operation"), W(" (see"), W(" above"), W(")"), W(" which"),
    W(" ends"), W(" here"), W(" or"), W(" elsewhere"),
};

static const struct word OPENING = W("Well"), CLOSING = W(" done.");

/* The word of delta `k`; a part (reasoning or content) goes from `first` to before `end`. */
static inline const struct word *word_of(uint32_t seed, int k, int first, int end)
{
    if (k == first)
        return &OPENING;
    if (k == end - 1)
        return &CLOSING;
    uint32_t x = seed * 2654435761u + (uint32_t)k * 2246822519u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    return &WORDS[x & 63];
}

/* A request carries its seed as @@ and eight hexadecimal digits in what the user says. */
static inline uint32_t seed_in(const char *body, size_t length)
{
    for (const char *p = body + length; p-- > body;) {
        if (*p != '@' || body + length - p < 10 || p[1] != '@')
            continue;
        uint32_t seed = 0;
        int digits = 0;
        for (; digits < 8; digits++) {
            char c = p[2 + digits];
            if (c >= '0' && c <= '9')
                seed = seed * 16 + (uint32_t)(c - '0');
            else if (c >= 'a' && c <= 'f')
                seed = seed * 16 + (uint32_t)(c - 'a' + 10);
            else
                break;
        }
        if (digits == 8)
            return seed;
    }
    return 0;
}

#endif
