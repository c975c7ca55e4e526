/* A model server for the bench: Letta's API, and OpenAI's with the same text.
 *
 *     upstream PORT
 *
 * It listens on 127.0.0.1 (PORT 0: any) and prints the port. What an answer is made of is told
 * on standard input, a line a command; each is answered by a line. It ends with its input.
 *
 *     shape REASONING CONTENT PACE_US     deltas of each kind, one every so many microseconds
 *     count                               -> connections, answers begun, answers not taken whole
 */
#include "answers.h"

enum { ANSWERING = 1 };

struct connection {
    struct buffer in, out; /* `out`: what the socket did not take yet */
    struct answer answer;
    int open, answering, index, closing;
    int64_t due;
    int place; /* in the heap of those that wait for their time; -1: not in it */
    int ready; /* it is in the ring of those that may write at once */
};

static struct connection connections[MOST_FDS];
static struct shape shape = {73, 50, 0};
static unsigned accepted, begun, left_early, made;
static int epoll, timer, heap[MOST_FDS], waiting, ring[MOST_FDS], ring_head, ring_size;
static struct buffer scratch;

/* -- Those that wait for their time ------------------------------------------------------ */

static void put(int place, int fd)
{
    heap[place] = fd;
    connections[fd].place = place;
}

static void sift(int place, int fd)
{
    int64_t due = connections[fd].due;
    while (place > 0 && connections[heap[(place - 1) / 2]].due > due) {
        put(place, heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        int child = 2 * place + 1;
        if (child >= waiting)
            break;
        if (child + 1 < waiting && connections[heap[child + 1]].due < connections[heap[child]].due)
            child++;
        if (connections[heap[child]].due >= due)
            break;
        put(place, heap[child]);
        place = child;
    }
    put(place, fd);
}

static void wait_until(int fd, int64_t due)
{
    connections[fd].due = due;
    sift(waiting++, fd);
}

static void wait_no_more(int fd)
{
    int place = connections[fd].place;
    if (place < 0)
        return;
    connections[fd].place = -1;
    int last = heap[--waiting];
    if (last != fd)
        sift(place, last);
}

static void make_ready(int fd)
{
    if (connections[fd].ready)
        return;
    connections[fd].ready = 1;
    ring[(ring_head + ring_size++) % MOST_FDS] = fd;
}

/* -- Writing ----------------------------------------------------------------------------- */

static void hang_up(int fd)
{
    struct connection *c = &connections[fd];
    if (!c->open)
        return;
    left_early += (unsigned)c->answering;
    wait_no_more(fd);
    c->open = c->answering = 0;
    c->in.length = c->out.length = 0;
    close(fd);
}

/* 0 when the socket takes no more now, or is gone. */
static int flush(int fd)
{
    struct connection *c = &connections[fd];
    while (c->out.length) {
        ssize_t sent = send(fd, c->out.at, c->out.length, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN)
                hang_up(fd);
            return 0;
        }
        drop(&c->out, (size_t)sent);
    }
    return 1;
}

static void say(int fd, const char *data, size_t length)
{
    struct connection *c = &connections[fd];
    ssize_t sent = c->out.length ? 0 : send(fd, data, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        hang_up(fd);
        return;
    }
    if (sent < 0)
        sent = 0;
    if ((size_t)sent < length)
        append(&c->out, data + sent, length - (size_t)sent);
}

static void reply(int fd, int status, const char *body, size_t length)
{
    char head[256];
    scratch.length = 0;
    append(&scratch, head, (size_t)sprintf(head,
        "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
        status, status == 200 ? "OK" : "Error", length));
    append(&scratch, body, length);
    say(fd, scratch.at, scratch.length);
}

static void reply_text(int fd, const char *body)
{
    reply(fd, 200, body, strlen(body));
}

/* -- Streams ----------------------------------------------------------------------------- */

/* Write the next event, in a write of its own. 0 when there is none, or no room for it. */
static int step(int fd)
{
    struct connection *c = &connections[fd];
    if (!c->open || !c->answering || c->out.length)
        return 0;
    char payload[1024], chunk[1200];
    int length = event(&c->answer, c->index, payload), last = events(&c->answer) - 1;
    int size = sprintf(chunk, "%x\r\ndata: %s\n\n\r\n", length + 8, payload);
    say(fd, chunk, (size_t)size);
    if (c->open && c->index++ == last) {
        c->answering = 0;
        say(fd, "0\r\n\r\n", 5);
        if (c->closing && !c->out.length)
            hang_up(fd);
    }
    return c->open && c->answering && !c->out.length;
}

/* Write all that is due by now. */
static void go_on(int fd)
{
    struct connection *c = &connections[fd];
    if (!c->answering)
        return;
    if (!c->answer.shape.pace_us) {
        make_ready(fd);
        return;
    }
    /* Event 0 and the first delta come at once, the endings with the last delta. */
    for (int64_t now = now_us(); c->due <= now && step(fd);) {
        if (c->index >= 2 && c->index <= deltas(&c->answer))
            c->due += c->answer.shape.pace_us;
    }
    if (c->open && c->answering && !c->out.length && c->place < 0)
        wait_until(fd, c->due);
}

static void begin(int fd, int openai, int streamed, const char *body, size_t length)
{
    struct connection *c = &connections[fd];
    c->answer = (struct answer){shape, seed_in(body, length), begun++, openai,
                                memmem(body, length, "include_usage", 13) != NULL};
    if (!streamed) {
        struct buffer out = {0};
        whole(&c->answer, &out);
        reply(fd, 200, out.at, out.length);
        free(out.at);
        return;
    }
    const char *head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                       "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
    c->answering = ANSWERING;
    c->index = 0;
    c->due = now_us();
    say(fd, head, strlen(head));
    go_on(fd);
}

/* -- Requests ---------------------------------------------------------------------------- */

static int wants(const char *body, size_t length, const char *what)
{
    size_t width = strlen(what);
    for (const char *p = body; (p = memmem(p, (size_t)(body + length - p), what, width));) {
        for (p += width; p < body + length && (*p == ' ' || *p == ':');)
            p++;
        if (body + length - p >= 4 && !memcmp(p, "true", 4))
            return 1;
    }
    return 0;
}

static int ends(const char *path, const char *with)
{
    size_t a = strlen(path), b = strlen(with);
    while (a && path[a - 1] == '/')
        a--;
    return a >= b && !memcmp(path + a - b, with, b);
}

static void post(int fd, char *path, const char *body, size_t length)
{
    char made_one[512];
    if (ends(path, "/chat/completions"))
        begin(fd, 1, wants(body, length, "\"stream\""), body, length);
    else if (ends(path, "/messages/stream"))
        begin(fd, 0, 1, body, length);
    else if (ends(path, "/messages"))
        begin(fd, 0, wants(body, length, "\"streaming\""), body, length);
    else if (ends(path, "/conversations")) {
        sprintf(made_one, CONVERSATION, ++made);
        reply_text(fd, made_one);
    } else
        reply_text(fd, "{}");
}

static void get(int fd, char *path, int more)
{
    if (ends(path, "/health"))
        reply_text(fd, "{\"version\":\"0.16.8\",\"status\":\"ok\"}");
    else if (ends(path, "/models"))
        reply_text(fd, MODELS);
    else if (ends(path, "/agents"))
        reply_text(fd, more ? "[]" : "[" AGENT "]");
    else if (strstr(path, "/agents/agent-") && !strchr(strstr(path, "/agents/") + 8, '/'))
        reply_text(fd, AGENT);
    else
        reply_text(fd, "[]");
}

/* Answer one request, if all of it is here; returns its length or 0. */
static size_t request(int fd)
{
    struct connection *c = &connections[fd];
    char *end = c->in.length ? memmem(c->in.at, c->in.length, "\r\n\r\n", 4) : NULL;
    if (!end)
        return 0;
    size_t head = (size_t)(end - c->in.at) + 4;
    const char *size = header(c->in.at, head, "content-length");
    size_t length = size ? strtoul(size, NULL, 10) : 0;
    if (c->in.length < head + length)
        return 0;
    const char *connection = header(c->in.at, head, "connection");
    c->closing = connection && !strncasecmp(connection, "close", 5);
    char method[8], path[512];
    if (sscanf(c->in.at, "%7s %511s", method, path) != 2) {
        hang_up(fd);
        return 0;
    }
    char *query = strchr(path, '?');
    if (query)
        *query++ = 0;
    if (!strcmp(method, "POST") && header(c->in.at, head, "transfer-encoding"))
        reply(fd, 411, "{}", 2);
    else if (!strcmp(method, "POST"))
        post(fd, path, c->in.at + head, length);
    else if (!strcmp(method, "GET"))
        get(fd, path, query && strstr(query, "after="));
    else
        reply_text(fd, "null");
    return head + length;
}

static void answer_requests(int fd)
{
    struct connection *c = &connections[fd];
    while (c->open && !c->answering) {
        size_t taken = request(fd);
        if (!taken || !c->open)
            return;
        drop(&c->in, taken);
        if (c->closing && !c->answering && flush(fd))
            hang_up(fd);
    }
}

static void take(int fd)
{
    struct connection *c = &connections[fd];
    while (c->open) {
        reserve(&c->in, 16384);
        ssize_t got = recv(fd, c->in.at + c->in.length, 16384, 0);
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0) {
            hang_up(fd);
            return;
        }
        c->in.length += (size_t)got;
    }
    answer_requests(fd);
}

static void welcome(int listening)
{
    for (;;) {
        int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        no_delay(fd);
        struct connection *c = &connections[fd];
        c->open = 1;
        c->place = -1;
        c->answering = c->closing = 0;
        accepted++;
        watch(epoll, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    }
}

/* -- The loop ---------------------------------------------------------------------------- */

static void obey(void)
{
    static struct buffer line;
    char more[1024];
    ssize_t got = read(STDIN_FILENO, more, sizeof more);
    if (got <= 0)
        exit(0);
    append(&line, more, (size_t)got);
    for (char *end; (end = memchr(line.at, '\n', line.length));) {
        long pace;
        *end = 0;
        if (sscanf(line.at, "shape %d %d %ld", &shape.reasoning, &shape.content, &pace) == 3) {
            shape.pace_us = pace;
            printf("ok\n");
        } else
            printf("%u %u %u\n", accepted, begun, left_early);
        fflush(stdout);
        drop(&line, (size_t)(end + 1 - line.at));
    }
}

/* Each stream that may write at once writes one event, so that none waits for another. */
static void pump(void)
{
    for (int turns = ring_size; turns > 0; turns--) {
        int fd = ring[ring_head];
        ring_head = (ring_head + 1) % MOST_FDS;
        ring_size--;
        connections[fd].ready = 0;
        if (step(fd))
            make_ready(fd);
        else if (connections[fd].open && !connections[fd].answering)
            answer_requests(fd);
    }
}

static void send_what_is_due(void)
{
    int64_t now = now_us();
    while (waiting && connections[heap[0]].due <= now) {
        int fd = heap[0];
        wait_no_more(fd);
        go_on(fd);
        if (!connections[fd].answering)
            answer_requests(fd);
    }
    wake_at(timer, waiting ? connections[heap[0]].due : 0);
}

static void heard(int fd, uint32_t what)
{
    struct connection *c = &connections[fd];
    if (what & EPOLLOUT && c->out.length && flush(fd)) {
        if (c->answering)
            go_on(fd);
        else if (c->closing)
            hang_up(fd);
    }
    if (c->open && what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        take(fd);
}

static int listening_on(int port)
{
    struct sockaddr_in where = loopback(port);
    socklen_t size = sizeof where;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&where, size) || listen(fd, 4096))
        die("listen");
    getsockname(fd, (struct sockaddr *)&where, &size);
    printf("%d\n", ntohs(where.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **words)
{
    many_fds();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int listening = listening_on(count > 1 ? atoi(words[1]) : 0);
    watch(epoll, listening, EPOLLIN);
    watch(epoll, STDIN_FILENO, EPOLLIN);
    watch(epoll, timer, EPOLLIN | EPOLLET);
    for (;;) {
        struct epoll_event happened[256];
        int number = epoll_wait(epoll, happened, 256, ring_size ? 0 : -1);
        for (int i = 0; i < number; i++) {
            int fd = happened[i].data.fd;
            if (fd == listening)
                welcome(listening);
            else if (fd == STDIN_FILENO)
                obey();
            else if (fd != timer)
                heard(fd, happened[i].events);
        }
        pump();
        send_what_is_due();
    }
}
