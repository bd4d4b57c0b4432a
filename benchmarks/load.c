/* The load generator of the benchmarks: a fixed number of requests, every answer checked.
 *
 *   load PORT REQUEST_FILE --connections C --requests N [--status S] [--or-status S] [--body BYTES] [--close] [--hold] [--rate R]
 *
 * REQUEST_FILE holds one request or more, one behind the other, as they go over the wire (head and body); they are sent in turn. Each connection has one request under way. With --close every request has a connection of its own.
 * An answer must have status S (200 unless given; --or-status is accepted too, and counted as "other") and, if --body is given, that many bytes of body; framing is read from
 * Content-Length or chunked coding. What is wrong is counted and the first wrong answer is shown.
 *
 * With --hold every connection first serves one request; then "ready" is printed and a line awaited from standard input before the requests that
 * count are sent, and another one before the connections are closed: whoever measures can read clocks and memory in between.
 *
 * With --rate the requests are due at a fixed rate, R a second, whatever the answers do, and a latency is measured from the moment at which its request
 * was due: one that has to wait for a connection counts its waiting, too. Without it every connection sends its next request at once.
 *
 * Prints one line of JSON: requests, failed, seconds, per second, latency percentiles in microseconds (a histogram with steps of 1/32),
 * and how many connections the peer ended while they were unused.
 * Exit 0 if nothing failed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, READ_BYTES = 65536, HEAD_BYTES_MAX = 16384, REQUESTS_MAX = 200000, BUCKETS = 64 * 32 };

struct request { const char *bytes; size_t count; };

struct connection {
    int socket;
    uint64_t began;          /* nanoseconds; 0 when nothing is under way */
    const char *unsent;
    size_t unsent_count;
    char head[HEAD_BYTES_MAX];
    size_t head_count;
    int in_body, chunked, chunk_state, status, closes;
    size_t left;             /* bytes of the body, or of the chunk, still to come */
    size_t body_count;
};

static struct request requests[REQUESTS_MAX];
static size_t request_count, next_request, connection_count = 1;
static struct connection *connections;
static struct sockaddr_in address;
static int epoll, expected_status = 200, accepted_status, close_each, hold;
static long expected_body = -1;
static struct connection **unused;    /* with --rate: a ring of those without a request */
static size_t unused_first, unused_count;
static uint64_t interval, due;        /* nanoseconds; 0 without --rate */
static uint64_t to_begin, finished, failed, other, unused_ended, total, histogram[BUCKETS];

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void record(uint64_t nanoseconds) {
    unsigned magnitude = nanoseconds < 32 ? 0 : 63u - (unsigned)__builtin_clzll(nanoseconds) - 4;
    uint64_t step = magnitude == 0 ? nanoseconds : (nanoseconds >> (magnitude - 1)) - 32 + 32u * magnitude;
    histogram[magnitude == 0 ? step : step < BUCKETS ? step : BUCKETS - 1]++;
}

static double percentile(double part) {
    uint64_t sum = 0, want = (uint64_t)(part * (double)finished);
    for (unsigned i = 0; i < BUCKETS; i++) {
        sum += histogram[i];
        if (sum > want || (sum == finished && sum > 0)) {
            unsigned magnitude = i / 32;
            return magnitude == 0 ? i / 1000.0 : (double)((uint64_t)(i % 32 + 32) << (magnitude - 1)) / 1000.0;
        }
    }
    return 0;
}

static void fail(const struct connection *c, const char *why) {
    if (failed++ == 0) fprintf(stderr, "load: first failure: %s\n%.*s\n", why, (int)(c->head_count < 600 ? c->head_count : 600), c->head);
}

static void connect_one(struct connection *c) {
    int on = 1;
    memset(c, 0, offsetof(struct connection, head));
    c->head_count = 0, c->in_body = 0, c->chunked = 0;
    c->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (c->socket < 0 || connect(c->socket, (struct sockaddr *)&address, sizeof address) < 0) { perror("load: connect"); exit(1); }
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->socket, &event);
}

static void push(struct connection *c) {
    while (c->unsent_count > 0) {
        ssize_t sent = send(c->socket, c->unsent, c->unsent_count, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
            epoll_ctl(epoll, EPOLL_CTL_MOD, c->socket, &event);
            return;
        }
        if (sent < 0) return;  /* the read side says what happened */
        c->unsent += sent;
        c->unsent_count -= (size_t)sent;
    }
}

static void begin(struct connection *c, uint64_t at) {
    if (to_begin == 0) return;
    to_begin--;
    c->began = at;
    c->unsent = requests[next_request].bytes;
    c->unsent_count = requests[next_request].count;
    if (++next_request == request_count) next_request = 0;
    c->head_count = 0, c->in_body = 0, c->chunked = 0, c->body_count = 0;
    push(c);
}

static void reconnect(struct connection *c) {
    close(c->socket);
    connect_one(c);
}

static void finish(struct connection *c, const char *why) {
    record(now() - c->began);
    finished++;
    c->began = 0;
    if (why) fail(c, why);
    else if (accepted_status && c->status == accepted_status) other++;
    else if (c->status != expected_status) fail(c, "status");
    else if (expected_body >= 0 && c->body_count != (size_t)expected_body) fail(c, "length of the body");
    if (interval) unused[(unused_first + unused_count++) % connection_count] = c;
    if (to_begin == 0) return;
    if (why || close_each || c->closes) reconnect(c);
    if (!interval) begin(c, now());
}

/* Begins what is due, as far as there are connections for it. The time until the next is due; 10 s if an answer has to come first. */
static struct timespec begin_due(void) {
    uint64_t present = now();
    while (to_begin > 0 && due <= present && unused_count > 0) {
        struct connection *c = unused[unused_first];
        unused_first = (unused_first + 1) % connection_count, unused_count--;
        begin(c, due);
        due += interval;
    }
    uint64_t wait = to_begin > 0 && unused_count > 0 ? due - present : 10000000000u;
    return (struct timespec){(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
}

static int read_head(struct connection *c) {
    c->status = c->head_count > 12 ? atoi(c->head + 9) : 0;
    c->left = 0, c->chunked = 0, c->chunk_state = 0, c->closes = 0, c->in_body = 1;
    for (const char *line = c->head; line < c->head + c->head_count;) {
        const char *next = memchr(line, '\n', (size_t)(c->head + c->head_count - line));
        if (strncasecmp(line, "content-length:", 15) == 0) c->left = strtoul(line + 15, NULL, 10);
        if (strncasecmp(line, "transfer-encoding:", 18) == 0) c->chunked = 1;
        if (strncasecmp(line, "connection: close", 17) == 0) c->closes = 1;
        line = next + 1;
    }
    return c->chunked || c->left > 0;
}

/* Chunk states: 0 size digits, 1 rest of the size line, 2 bytes, 3 line end behind them, 4 last line. True at the end of the body. */
static int take_chunked(struct connection *c, const char *bytes, size_t count) {
    for (size_t i = 0; i < count;) {
        char byte = bytes[i];
        switch (c->chunk_state) {
        case 0:
            if (byte == '\r' || byte == ';') c->chunk_state = 1;
            else c->left = c->left * 16 + (size_t)(byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10);
            i++;
            break;
        case 1:
            if (byte == '\n') c->chunk_state = c->left > 0 ? 2 : 4;
            i++;
            break;
        case 2: {
            size_t some = count - i < c->left ? count - i : c->left;
            i += some, c->left -= some, c->body_count += some;
            if (c->left == 0) c->chunk_state = 3;
            break;
        }
        case 3:
            if (byte == '\n') c->chunk_state = 0, c->left = 0;
            i++;
            break;
        default:
            if (byte == '\n') return 1;
            i++;
        }
    }
    return 0;
}

static void take(struct connection *c, const char *bytes, size_t count) {
    if (c->began == 0) return;
    if (!c->in_body) {
        size_t before = c->head_count, some = count < HEAD_BYTES_MAX - before ? count : HEAD_BYTES_MAX - before;
        memcpy(c->head + before, bytes, some);
        const char *empty = memmem(c->head, before + some, "\r\n\r\n", 4);
        c->head_count = before + some;
        if (empty == NULL) return;
        c->head_count = (size_t)(empty - c->head) + 4;
        bytes += c->head_count - before, count -= c->head_count - before;
        if (!read_head(c)) { finish(c, NULL); return; }
    }
    if (c->chunked) {
        if (take_chunked(c, bytes, count)) finish(c, NULL);
        return;
    }
    size_t some = count < c->left ? count : c->left;
    c->left -= some, c->body_count += some;
    if (c->left == 0) finish(c, NULL);
}

static void split_requests(char *bytes, size_t count) {
    while (count > 0 && request_count < REQUESTS_MAX) {
        char *empty = memmem(bytes, count, "\r\n\r\n", 4);
        if (empty == NULL) break;
        size_t length = (size_t)(empty - bytes) + 4;
        for (char *line = bytes; line < empty;) {
            if (strncasecmp(line, "content-length:", 15) == 0) length += strtoul(line + 15, NULL, 10);
            if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0) {
                char *last = memmem(empty, count - (size_t)(empty - bytes), "\r\n0\r\n\r\n", 7);
                if (last) length = (size_t)(last - bytes) + 7;
            }
            line = (char *)memchr(line, '\n', (size_t)(empty + 4 - line)) + 1;
        }
        requests[request_count++] = (struct request){bytes, length < count ? length : count};
        bytes += requests[request_count - 1].count;
        count -= requests[request_count - 1].count;
    }
}

/* Sends `count` requests over the connections and waits for their answers. */
static void run(uint64_t count) {
    static char received[READ_BYTES];
    struct epoll_event events[EVENTS];
    to_begin = count;
    if (interval) {
        due = now(), unused_first = 0, unused_count = connection_count;
        for (size_t i = 0; i < connection_count; i++) unused[i] = &connections[i];
    } else {
        for (size_t i = 0; i < connection_count; i++) begin(&connections[i], now());
    }
    while (finished < count) {
        struct timespec wait = interval ? begin_due() : (struct timespec){10, 0};
        int ready = epoll_pwait2(epoll, events, EVENTS, &wait, NULL);
        if (ready == 0 && wait.tv_sec < 10) continue;
        if (ready <= 0) { fprintf(stderr, "load: nothing came for ten seconds\n"); failed += count - finished; return; }
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) {
                struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
                epoll_ctl(epoll, EPOLL_CTL_MOD, c->socket, &event);
                push(c);
            }
            if (!(events[i].events & ~(uint32_t)EPOLLOUT)) continue;
            ssize_t got = recv(c->socket, received, sizeof received, MSG_DONTWAIT);
            if (got > 0) take(c, received, (size_t)got);
            else if (got < 0 && errno == EAGAIN) continue;
            else if (c->began) finish(c, got == 0 ? "the connection ended early" : "the connection broke");
            else epoll_ctl(epoll, EPOLL_CTL_DEL, c->socket, NULL), unused_ended++;
        }
    }
}

static int usage(void) {
    fprintf(stderr, "usage: load PORT REQUEST_FILE --connections C --requests N [--status S] [--or-status S] [--body BYTES] [--close] [--hold] [--rate R]\n");
    return 2;
}

int main(int argc, char **argv) {
    if (argc < 3) return usage();
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--close") == 0) { close_each = 1; continue; }
        if (strcmp(argv[i], "--hold") == 0) { hold = 1; continue; }
        if (i + 1 == argc) return usage();
        long value = atol(argv[i + 1]);
        if (strcmp(argv[i], "--connections") == 0) connection_count = (size_t)value;
        else if (strcmp(argv[i], "--requests") == 0) total = (uint64_t)value;
        else if (strcmp(argv[i], "--status") == 0) expected_status = (int)value;
        else if (strcmp(argv[i], "--or-status") == 0) accepted_status = (int)value;
        else if (strcmp(argv[i], "--body") == 0) expected_body = value;
        else if (strcmp(argv[i], "--rate") == 0) interval = value > 0 ? 1000000000u / (uint64_t)value : 0;
        else return usage();
        i++;
    }
    FILE *file = fopen(argv[2], "rb");
    if (file == NULL) { perror(argv[2]); return 2; }
    fseek(file, 0, SEEK_END);
    size_t count = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(count + 1);
    if (fread(bytes, 1, count, file) != count) return 2;
    split_requests(bytes, count);
    if (request_count == 0 || connection_count == 0) return usage();

    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    epoll = epoll_create1(0);
    connections = calloc(connection_count, sizeof *connections);
    unused = calloc(connection_count, sizeof *unused);
    for (size_t i = 0; i < connection_count; i++) connect_one(&connections[i]);

    if (hold) {
        // Every connection once: at a rate they would take turns too, but slowly.
        uint64_t rate = interval;
        interval = 0;
        run(close_each ? 0 : connection_count);
        interval = rate;
        printf("ready\n");
        fflush(stdout);
        if (getchar() == EOF) return failed == 0 ? 0 : 1;
        memset(histogram, 0, sizeof histogram);
        finished = other = 0;
    }
    uint64_t began = now();
    run(total);
    double seconds = (double)(now() - began) / 1e9;
    printf("{\"requests\": %llu, \"failed\": %llu, \"other\": %llu, \"seconds\": %.4f, \"perSecond\": %.0f, \"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"ended\": %llu}\n",
           (unsigned long long)finished, (unsigned long long)failed, (unsigned long long)other, seconds, seconds > 0 ? (double)finished / seconds : 0,
           percentile(0.50), percentile(0.99), percentile(0.999), (unsigned long long)unused_ended);
    fflush(stdout);
    if (hold) getchar();
    return failed == 0 ? 0 : 1;
}
