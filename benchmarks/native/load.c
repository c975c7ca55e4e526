/* Clients for the bench: so many at once, each asking again when it has its answer. Every
 * answer is checked word for word.
 *
 *     load NAME=NUMBER ...        what is to be done; see `settings`
 *
 * The request is read from standard input, whole, as it goes over the wire. The eight
 * characters after @@ in it are replaced by a number of its own for each request, which
 * decides the text of the answer. The result is one line of JSON.
 */
#include "check.h"

static struct {
    const char *name;
    long value;
} settings[] = {
    {"port", 0},       /* where to, on 127.0.0.1 */
    {"streams", 1},    /* at once */
    {"requests", 1},   /* in all */
    {"letta", 0},      /* what comes is Letta's, not OpenAI's */
    {"whole", 0},      /* not streamed */
    {"reasoning", 73}, /* deltas of each kind that an answer has */
    {"content", 50},
    {"pace_us", 0},    /* between them; 0: none */
    {"ramp_us", 0},    /* over which the first requests are spread */
    {"seconds", 60},   /* after which what is not there has failed */
    {"seed", 1},       /* of the first request */
};
enum { PORT, STREAMS, REQUESTS, LETTA, WHOLE, REASONING, CONTENT, PACE, RAMP, SECONDS, SEED };
#define TIMER UINT32_MAX
#define SET(which) (settings[which].value)

enum phase { IDLE, ASKING, READING, OVER };
enum framing { CHUNKED, SIZED, TO_THE_END };

struct client {
    int fd, fresh;
    enum phase phase;
    enum framing framing;
    struct buffer in, body;
    size_t sent, left;
    int in_chunk, trailer;
    struct check check;
    int64_t asked, last;
    int seen, stalled;
};

struct samples {
    uint32_t *at;
    size_t count, room;
};

static struct client *clients;
static struct buffer request;
static char *seed_place;
static int epoll, timer, begun, asked, over, ok, stalled, silent;
static long deltas, late, in_window, bytes;
static int64_t started, window_from, window_to, ended;
static struct samples firsts, totals, gaps;
static char why[256];

static void note(struct samples *s, int64_t us)
{
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 4096;
        s->at = realloc(s->at, s->room * sizeof *s->at);
        if (!s->at)
            die("realloc");
    }
    s->at[s->count++] = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void print_samples(const char *name, struct samples *s)
{
    if (!s->count)
        note(s, 0);
    qsort(s->at, s->count, sizeof *s->at, by_size);
    printf("\"%s\": {\"p50\": %u, \"p99\": %u, \"max\": %u}, ", name, s->at[s->count / 2],
           s->at[s->count * 99 / 100], s->at[s->count - 1]);
}

/* -- One client ---------------------------------------------------------------------------- */

static void ask(int number);

static void hang_up(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void finish(int number, const char *wrong)
{
    struct client *c = &clients[number];
    int64_t now = now_us();
    over++;
    if (wrong) {
        if (!*why)
            snprintf(why, sizeof why, "%s", wrong);
        hang_up(c);
    } else {
        ok++;
        note(&totals, now - c->asked);
        silent += !c->check.reasoning.k && c->check.reasoning.end;
    }
    stalled += c->stalled;
    ended = now;
    c->phase = OVER;
    if (asked + SET(STREAMS) - begun < SET(REQUESTS)) /* each client has one to begin with */
        ask(number);
}

static void connect_to(int number)
{
    struct client *c = &clients[number];
    struct sockaddr_in where = loopback((int)SET(PORT));
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    no_delay(c->fd);
    if (connect(c->fd, (struct sockaddr *)&where, sizeof where) && errno != EINPROGRESS)
        die("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    event.data.u32 = (uint32_t)number;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event))
        die("epoll_ctl");
}

static void send_request(int number)
{
    struct client *c = &clients[number];
    char digits[9];
    snprintf(digits, sizeof digits, "%08x", c->check.seed);
    memcpy(seed_place, digits, 8);
    while (c->sent < request.length) {
        ssize_t sent = send(c->fd, request.at + c->sent, request.length - c->sent, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN))
            return;
        if (sent < 0) {
            finish(number, strerror(errno));
            return;
        }
        c->sent += (size_t)sent;
    }
    c->phase = READING;
}

static void ask(int number)
{
    struct client *c = &clients[number];
    c->check.letta = (int)SET(LETTA);
    c->check.whole = (int)SET(WHOLE);
    expect(&c->check, (uint32_t)(SET(SEED) + asked++), (int)SET(REASONING), (int)SET(CONTENT));
    c->phase = ASKING;
    c->in.length = c->body.length = 0;
    c->sent = 0;
    c->seen = c->stalled = 0;
    c->in_chunk = c->trailer = 0;
    c->left = SIZE_MAX; /* the head is not read yet */
    c->asked = c->last = now_us();
    if ((c->fresh = c->fd < 0))
        connect_to(number);
    send_request(number);
}

/* -- Reading ------------------------------------------------------------------------------- */

/* 0 while the head is not whole, -1 if the answer is a refusal. */
static int read_head(struct client *c)
{
    char *end = c->in.length ? memmem(c->in.at, c->in.length, "\r\n\r\n", 4) : NULL;
    if (!end)
        return 0;
    size_t head = (size_t)(end - c->in.at) + 4;
    if (c->in.length < 12 || memcmp(c->in.at + 9, "200", 3)) {
        if (!*why)
            snprintf(why, sizeof why, "refused: %.*s", (int)(c->in.length > 200 ? 200 : c->in.length),
                     c->in.at);
        return -1;
    }
    const char *coding = header(c->in.at, head, "transfer-encoding");
    const char *size = header(c->in.at, head, "content-length");
    c->framing = coding && !strncasecmp(coding, "chunked", 7) ? CHUNKED : size ? SIZED : TO_THE_END;
    c->left = c->framing == SIZED ? strtoul(size, NULL, 10) : 0;
    drop(&c->in, head);
    return 1;
}

/* Move what has come into `body`, without its framing. 1 at the answer's end. */
static int unframe(struct client *c)
{
    if (c->framing != CHUNKED) {
        append(&c->body, c->in.at, c->in.length);
        c->left -= c->framing == SIZED ? c->in.length : 0;
        c->in.length = 0;
        return c->framing == SIZED && !c->left;
    }
    size_t at = 0;
    for (;;) {
        if (c->in_chunk) {
            size_t here = c->in.length - at, now = c->left < here ? c->left : here;
            append(&c->body, c->in.at + at, now);
            at += now;
            c->left -= now;
            if (c->left || c->in.length - at < 2)
                break;
            at += 2;
            c->in_chunk = 0;
        }
        char *end = at < c->in.length ? memchr(c->in.at + at, '\n', c->in.length - at) : NULL;
        if (!end)
            break;
        if (c->trailer) { /* of the last chunk: nothing but an empty line is expected */
            c->in.length = 0;
            return 1;
        }
        c->left = strtoul(c->in.at + at, NULL, 16);
        at = (size_t)(end + 1 - c->in.at);
        c->in_chunk = c->left > 0;
        c->trailer = !c->in_chunk;
    }
    drop(&c->in, at);
    return 0;
}

static void text_came(struct client *c, int count, int64_t now)
{
    int64_t pace = SET(PACE);
    deltas += count;
    in_window += now >= window_from && now < window_to ? count : 0;
    if (!c->seen)
        note(&firsts, now - c->asked);
    else if (pace && now - c->last > 10 * pace)
        c->stalled = 1;
    for (int i = 0; pace && i < count; i++) {
        int64_t gap = i ? 0 : now - c->last;
        if (c->seen++)
            note(&gaps, gap > pace ? gap - pace : pace - gap);
        late += now - c->asked > (c->seen - 1) * pace + 10 * pace;
    }
    c->seen += pace ? 0 : count;
    c->last = now;
}

static void read_events(struct client *c, int64_t now)
{
    char *at = c->body.at, *end = c->body.at + c->body.length;
    int before = c->check.deltas;
    for (char *next; at < end && (next = memchr(at, '\n', (size_t)(end - at))); at = next + 1)
        read_line(&c->check, at, (size_t)(next - at));
    drop(&c->body, (size_t)(at - c->body.at));
    if (c->check.deltas > before)
        text_came(c, c->check.deltas - before, now);
}

static void read_whole(struct client *c, int64_t now)
{
    read_json(&c->check, c->body.at, c->body.length);
    c->check.done = 1; /* an answer that is not streamed ends with itself */
    text_came(c, 1, now);
}

static void got(int number, int at_end, int64_t now)
{
    struct client *c = &clients[number];
    if (c->left == SIZE_MAX) {
        int head = read_head(c);
        if (head < 0 || (!head && at_end))
            finish(number, "the connection was closed");
        if (head <= 0)
            return;
    }
    int whole = unframe(c) || (at_end && c->framing == TO_THE_END);
    if (!SET(WHOLE) && c->body.length)
        read_events(c, now);
    if (whole && SET(WHOLE))
        read_whole(c, now);
    if (whole || c->check.wrong) {
        if (at_end)
            hang_up(c);
        finish(number, verdict(&c->check));
    } else if (at_end)
        finish(number, "the connection was closed in the middle");
}

/* A kept connection that the other side closed before the request came is no failure. */
static int asks_anew(int number)
{
    struct client *c = &clients[number];
    if (c->fresh || c->left != SIZE_MAX || c->in.length)
        return 0;
    hang_up(c);
    c->phase = ASKING;
    c->sent = 0;
    c->fresh = 1;
    connect_to(number);
    send_request(number);
    return 1;
}

static void take(int number, int closing)
{
    struct client *c = &clients[number];
    for (int fd = c->fd; c->fd == fd && fd >= 0;) {
        reserve(&c->in, 65536);
        ssize_t length = recv(fd, c->in.at + c->in.length, 65536, 0);
        if (length < 0 && errno == EAGAIN)
            return;
        if (length <= 0 && c->phase == OVER) {
            hang_up(c);
            return;
        }
        if (length <= 0 && asks_anew(number))
            return;
        if (length < 0 && !*why)
            snprintf(why, sizeof why, "%s", strerror(errno));
        if (length > 0) {
            c->in.length += (size_t)length;
            bytes += length;
        }
        got(number, length <= 0, now_us());
        if (length < 65536 && !closing)
            return; /* all that was there; what comes now is an event of its own */
    }
}

/* -- The loop ------------------------------------------------------------------------------ */

static void set(const char *word)
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        size_t width = strlen(settings[i].name);
        if (!strncmp(word, settings[i].name, width) && word[width] == '=') {
            settings[i].value = atol(word + width + 1);
            return;
        }
    }
    fprintf(stderr, "load: what is %s?\n", word);
    exit(2);
}

static void read_request(void)
{
    char some[4096];
    for (ssize_t got; (got = read(STDIN_FILENO, some, sizeof some)) > 0;)
        append(&request, some, (size_t)got);
    char *place = request.length ? memmem(request.at, request.length, "@@", 2) : NULL;
    if (!place) {
        fprintf(stderr, "load: the request has no @@\n");
        exit(2);
    }
    seed_place = place + 2;
}

static void plan(void)
{
    int64_t last = (SET(REASONING) + SET(CONTENT) - 1) * SET(PACE);
    started = now_us();
    window_from = started + SET(RAMP) + 5 * SET(PACE);
    window_to = started + last;
}

/* Begin those whose time it is. */
static void begin(void)
{
    int64_t now = now_us();
    while (begun < SET(STREAMS) && asked < SET(REQUESTS)) {
        int64_t due = started + SET(RAMP) * begun / SET(STREAMS);
        if (due > now) {
            wake_at(timer, due);
            return;
        }
        ask(begun++);
    }
    wake_at(timer, started + SET(SECONDS) * 1000000);
}

static void print_result(void)
{
    double window = window_to > window_from ? (double)(window_to - window_from) : 0;
    double due = SET(PACE) ? window / (double)SET(PACE) * (double)SET(STREAMS) : 0;
    printf("{\"asked\": %d, \"ok\": %d, \"silent\": %d, \"stalled\": %d, \"deltas\": %ld, "
           "\"late\": %ld, \"delivered\": %.4f, \"bytes\": %ld, \"seconds\": %.6f, "
           "\"cpu_seconds\": %.6f, ",
           asked, ok, silent, stalled, deltas, late, due > 0 ? (double)in_window / due : 1.0, bytes,
           (double)(ended - started) / 1e6, (double)cpu_us() / 1e6);
    print_samples("first_us", &firsts);
    print_samples("total_us", &totals);
    print_samples("gap_us", &gaps);
    for (char *p = why; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
            *p = ' ';
    printf("\"why\": \"%s\"}\n", why);
    fflush(stdout);
}

static void heard(int number, uint32_t what)
{
    if (clients[number].phase == ASKING && what & EPOLLOUT)
        send_request(number);
    take(number, (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

int main(int count, char **words)
{
    for (int i = 1; i < count; i++)
        set(words[i]);
    many_fds();
    read_request();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event tick = {.events = EPOLLIN | EPOLLET, .data.u32 = TIMER};
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &tick);
    clients = calloc((size_t)SET(STREAMS), sizeof *clients);
    if (!clients)
        die("calloc");
    for (long i = 0; i < SET(STREAMS); i++)
        clients[i].fd = -1;
    plan();
    struct epoll_event happened[256];
    for (begin(); over < SET(REQUESTS);) {
        int number = epoll_wait(epoll, happened, 256, -1);
        for (int i = 0; i < number; i++) {
            if (happened[i].data.u32 != TIMER)
                heard((int)happened[i].data.u32, happened[i].events);
        }
        if (begun < SET(STREAMS))
            begin();
        if (now_us() - started > SET(SECONDS) * 1000000) {
            if (!*why)
                snprintf(why, sizeof why, "not there after %ld s", SET(SECONDS));
            ended = now_us();
            break;
        }
    }
    print_result();
    return 0;
}
