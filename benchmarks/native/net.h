/* Sockets, clocks and growing buffers, as both programs use them. */
#ifndef NET_H
#define NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MOST_FDS 65536

static inline _Noreturn void die(const char *what)
{
    perror(what);
    exit(2);
}

static inline int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Wake at this time of `now_us`; 0 for never. */
static inline void wake_at(int timer, int64_t us)
{
    struct itimerspec spec = {0};
    if (us > 0) {
        spec.it_value.tv_sec = us / 1000000;
        spec.it_value.tv_nsec = us % 1000000 * 1000;
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static inline struct sockaddr_in loopback(int port)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return where;
}

static inline void no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static inline void watch(int epoll, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl");
}

static inline void many_fds(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < MOST_FDS ? limit.rlim_max : MOST_FDS;
    setrlimit(RLIMIT_NOFILE, &limit);
}

struct buffer {
    char *at;
    size_t length, room;
};

static inline void reserve(struct buffer *b, size_t more)
{
    if (b->length + more <= b->room)
        return;
    b->room = (b->length + more) * 2;
    b->at = realloc(b->at, b->room);
    if (!b->at)
        die("realloc");
}

static inline void append(struct buffer *b, const void *data, size_t length)
{
    reserve(b, length);
    memcpy(b->at + b->length, data, length);
    b->length += length;
}

static inline void append_text(struct buffer *b, const char *text)
{
    append(b, text, strlen(text));
}

/* Forget the first `count` bytes. */
static inline void drop(struct buffer *b, size_t count)
{
    b->length -= count;
    memmove(b->at, b->at + count, b->length);
}

/* The value of a header, or NULL. `head` ends at its empty line. */
static inline const char *header(const char *head, size_t length, const char *name)
{
    size_t width = strlen(name);
    const char *end = head + length;
    for (const char *line = head; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (!next)
            return NULL;
        if ((size_t)(next - line) > width && !strncasecmp(line, name, width) && line[width] == ':') {
            for (line += width + 1; *line == ' ';)
                line++;
            return line;
        }
        line = next + 1;
    }
    return NULL;
}

#endif
