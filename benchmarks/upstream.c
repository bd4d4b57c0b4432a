/* The upstream of the benchmarks: one thread, one epoll, answers rendered before the first request.
 *
 *   upstream PORT [BODY_BYTES]
 *
 * It does as little as an HTTP/1.1 server can, so that what stands in front of it is the bottleneck. It reads a head up to its
 * empty line, skips the body that Content-Length or chunked coding announces, and looks for one word in the target:
 *
 *   /64k       200 with 65,536 bytes
 *   /chunked   200 with four chunks of 4,096 bytes
 *   /16k       200 with 16,384 bytes
 *   /rewritten 200 with 128 bytes "r"
 *   /authorise 200 with an empty body
 *   else       200 with BODY_BYTES bytes "x" (128 unless given)
 *
 * It trusts its peer to speak HTTP/1.1 well: never let anything but loopback reach it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES_MAX = 16384, CONNECTIONS_MAX = 65536, EVENTS = 512, READ_BYTES = 65536 };

struct answer { char *bytes; size_t count; };

struct connection {
    char *head;            /* what has come of a head; NULL between requests */
    size_t head_count;
    size_t body_left;      /* bytes of a body still to skip */
    int chunked;           /* a chunked body is being skipped: until its last five bytes are "0 CR LF CR LF" */
    char tail[5];
    const struct answer *answer;  /* what is owed once the body has come */
    const char *unsent;    /* what the socket did not take */
    size_t unsent_count;
};

static struct connection connections[CONNECTIONS_MAX];
static struct answer plain, rewritten, empty, large, medium, chunked;
static int epoll;

static struct answer render(const char *framing, const char *body, size_t body_count) {
    static const char head[] = "HTTP/1.1 200 OK\r\nServer: upstream\r\nDate: Sun, 22 Nov 2026 19:00:00 GMT\r\n"
                               "Content-Type: application/octet-stream\r\nCache-Control: no-store\r\nETag: \"5f2a-1b\"\r\n";
    struct answer answer = {malloc(sizeof head + strlen(framing) + body_count), 0};
    answer.count = (size_t)sprintf(answer.bytes, "%s%s\r\n", head, framing);
    memcpy(answer.bytes + answer.count, body, body_count);
    answer.count += body_count;
    return answer;
}

static struct answer render_fixed(size_t body_count, char letter) {
    char framing[64];
    char *body = malloc(body_count + 1);
    memset(body, letter, body_count);
    sprintf(framing, "Content-Length: %zu\r\n", body_count);
    struct answer answer = render(framing, body, body_count);
    free(body);
    return answer;
}

static struct answer render_chunked(void) {
    char *body = malloc(4 * (4096 + 16) + 16), *at = body;
    for (int i = 0; i < 4; i++) {
        at += sprintf(at, "1000\r\n");
        memset(at, 'x', 4096);
        at += 4096;
        *at++ = '\r', *at++ = '\n';
    }
    at += sprintf(at, "0\r\n\r\n");
    struct answer answer = render("Transfer-Encoding: chunked\r\n", body, (size_t)(at - body));
    free(body);
    return answer;
}

static void end(int socket) {
    free(connections[socket].head);
    memset(&connections[socket], 0, sizeof connections[socket]);
    close(socket);
}

/* False when the connection has ended. */
static int flush(int socket) {
    struct connection *c = &connections[socket];
    while (c->unsent_count > 0) {
        ssize_t sent = send(socket, c->unsent, c->unsent_count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.fd = socket};
            epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event);
            return 1;
        }
        if (sent < 0) { end(socket); return 0; }
        c->unsent += sent;
        c->unsent_count -= (size_t)sent;
    }
    return 1;
}

static int answer(int socket) {
    struct connection *c = &connections[socket];
    c->unsent = c->answer->bytes;
    c->unsent_count = c->answer->count;
    c->answer = NULL;
    return flush(socket);
}

static const struct answer *choose(const char *head, size_t count) {
    const char *line_end = memchr(head, '\r', count);
    size_t line = line_end ? (size_t)(line_end - head) : count;
    if (memmem(head, line, "/64k", 4)) return &large;
    if (memmem(head, line, "/16k", 4)) return &medium;
    if (memmem(head, line, "/chunked", 8)) return &chunked;
    if (memmem(head, line, "/authorise", 10)) return &empty;
    if (memmem(head, line, "/rewritten", 10)) return &rewritten;
    return &plain;
}

/* Reads what a head (its empty line included) says about the body behind it. A GET has none: no field is looked at. */
static void read_framing(struct connection *c, const char *head, size_t count) {
    c->body_left = 0;
    c->chunked = 0;
    if (count > 4 && memcmp(head, "GET ", 4) == 0) return;
    for (const char *line = head; line < head + count;) {
        const char *next = memchr(line, '\n', (size_t)(head + count - line));
        if (strncasecmp(line, "content-length:", 15) == 0) c->body_left = strtoul(line + 15, NULL, 10);
        if (strncasecmp(line, "transfer-encoding:", 18) == 0) c->chunked = 1, memset(c->tail, 0, 5);
        line = next + 1;
    }
}

/* Takes the bytes of one receive. False when the connection has ended. */
static int take(int socket, const char *bytes, size_t count) {
    struct connection *c = &connections[socket];
    while (count > 0) {
        if (c->chunked) {
            for (size_t i = count < 5 ? 0 : count - 5; i < count; i++) memmove(c->tail, c->tail + 1, 4), c->tail[4] = bytes[i];
            count = 0;  /* nothing is pipelined behind a chunked body */
            if (memcmp(c->tail, "0\r\n\r\n", 5) != 0) return 1;
            c->chunked = 0;
        } else if (c->body_left > 0) {
            size_t skipped = count < c->body_left ? count : c->body_left;
            bytes += skipped, count -= skipped, c->body_left -= skipped;
            if (c->body_left > 0) return 1;
        } else if (c->head_count == 0 && memmem(bytes, count, "\r\n\r\n", 4)) {
            size_t head = (size_t)((const char *)memmem(bytes, count, "\r\n\r\n", 4) - bytes) + 4;
            c->answer = choose(bytes, head);
            read_framing(c, bytes, head);
            bytes += head, count -= head;
            if (c->chunked || c->body_left > 0) continue;
        } else {  /* a head in pieces: gather it */
            if (c->head == NULL) c->head = malloc(HEAD_BYTES_MAX);
            size_t before = c->head_count;
            if (before + count > HEAD_BYTES_MAX) { end(socket); return 0; }
            memcpy(c->head + before, bytes, count);
            const char *empty = memmem(c->head, before + count, "\r\n\r\n", 4);
            if (empty == NULL) { c->head_count += count; return 1; }
            size_t head = (size_t)(empty - c->head) + 4;
            c->answer = choose(c->head, head);
            read_framing(c, c->head, head);
            bytes += head - before, count -= head - before;
            c->head_count = 0;
            free(c->head), c->head = NULL;
            if (c->chunked || c->body_left > 0) continue;
        }
        if (c->answer && !answer(socket)) return 0;
    }
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 2) { fprintf(stderr, "usage: upstream PORT [BODY_BYTES]\n"); return 2; }
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    plain = render_fixed(argc > 2 ? strtoul(argv[2], NULL, 10) : 128, 'x');
    rewritten = render_fixed(128, 'r');
    empty = render_fixed(0, 'x');
    large = render_fixed(65536, 'x');
    medium = render_fixed(16384, 'x');
    chunked = render_chunked();

    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) { perror("upstream"); return 1; }

    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    static char bytes[READ_BYTES];
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int socket = events[i].data.fd;
            if (socket == listener) {
                while ((socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (socket >= CONNECTIONS_MAX) { close(socket); continue; }
                    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    event = (struct epoll_event){.events = EPOLLIN, .data.fd = socket};
                    epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
                }
                continue;
            }
            if (events[i].events & EPOLLOUT) {
                if (!flush(socket)) continue;
                if (connections[socket].unsent_count > 0) continue;
                event = (struct epoll_event){.events = EPOLLIN, .data.fd = socket};
                epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event);
            }
            if (!(events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
            ssize_t got = recv(socket, bytes, sizeof bytes, 0);
            if (got > 0) take(socket, bytes, (size_t)got);
            else if (got == 0 || errno != EAGAIN) end(socket);
        }
    }
}
