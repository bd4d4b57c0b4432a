/* The floor of the benchmarks: what the kernel alone costs.
 *
 *   floor PORT UPSTREAM_PORT [--pool]
 *
 * Copies bytes between the same sockets that a proxy would have, one receive and one send each way, and looks at none of them. Every
 * client's connection has an upstream connection of its own, which lives as long as it does. With --pool a client has one only from its first
 * bytes to the service's first, which have to be the whole response, and the next client is given it then. One thread, edge-triggered. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 65536, EVENTS = 512, READ_BYTES = 65536 };

struct side {
    int is_open, is_upstream;
    int other;             /* the socket that this one's bytes go to; 0 for none */
    char *unsent;          /* what this socket did not take; while there is some, the other is not read */
    size_t unsent_count;
};

static struct side sides[CONNECTIONS_MAX];    /* no connection has descriptor 0 */
static int pool[CONNECTIONS_MAX], pool_count, has_pool, epoll;
static struct sockaddr_in upstream_address;

static void end(int socket) {
    int both[2] = {socket, sides[socket].other};
    for (int i = 0; i < 2 && both[i] > 0; i++) {
        free(sides[both[i]].unsent);
        memset(&sides[both[i]], 0, sizeof sides[0]);
        close(both[i]);
    }
}

static void watch(int socket, int is_upstream) {
    int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sides[socket] = (struct side){.is_open = 1, .is_upstream = is_upstream};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = socket};
    epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
}

/* Gives a client a connection to the service. False if there is none. */
static int attach(int client) {
    while (pool_count > 0 && !sides[pool[pool_count - 1]].is_open) pool_count--;
    int upstream = pool_count > 0 ? pool[--pool_count] : socket(AF_INET, SOCK_STREAM, 0);
    if (upstream < 0 || upstream >= CONNECTIONS_MAX) { close(upstream); return 0; }
    if (!sides[upstream].is_open) {
        if (connect(upstream, (struct sockaddr *)&upstream_address, sizeof upstream_address) < 0) { close(upstream); return 0; }
        watch(upstream, 1);
    }
    sides[upstream].other = client;
    sides[client].other = upstream;
    return 1;
}

/* Edge-triggered: reads until a short read, or until the other side takes no more. */
static void copy(int from) {
    static char bytes[READ_BYTES];
    while (sides[sides[from].other].unsent_count == 0) {
        ssize_t got = recv(from, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0 || (sides[from].other == 0 && !attach(from))) { end(from); return; }
        int to = sides[from].other;
        ssize_t sent = send(to, bytes, (size_t)got, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) { end(from); return; }
        if (sent < 0) sent = 0;
        if (sent < got) {
            sides[to].unsent_count = (size_t)(got - sent);
            sides[to].unsent = malloc(sides[to].unsent_count);
            memcpy(sides[to].unsent, bytes + sent, sides[to].unsent_count);
        }
        if (has_pool && sides[from].is_upstream) {
            sides[from].other = sides[to].other = 0;
            pool[pool_count++] = from;
        }
        if ((size_t)got < sizeof bytes) return;
    }
}

static void flush(int socket) {
    struct side *side = &sides[socket];
    if (side->unsent_count == 0) return;
    ssize_t sent = send(socket, side->unsent, side->unsent_count, MSG_NOSIGNAL);
    if (sent < 0) { if (errno != EAGAIN) end(socket); return; }
    side->unsent_count -= (size_t)sent;
    memmove(side->unsent, side->unsent + sent, side->unsent_count);
    if (side->unsent_count > 0) return;
    free(side->unsent);
    side->unsent = NULL;
    if (side->other > 0) copy(side->other);
}

int main(int argc, char **argv) {
    if (argc < 3) { fprintf(stderr, "usage: floor PORT UPSTREAM_PORT [--pool]\n"); return 2; }
    has_pool = argc > 3 && strcmp(argv[3], "--pool") == 0;
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) { perror("floor"); return 1; }
    upstream_address = address;
    upstream_address.sin_port = htons((uint16_t)atoi(argv[2]));

    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int socket = events[i].data.fd;
            if (socket == listener) {
                while ((socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (socket >= CONNECTIONS_MAX) { close(socket); continue; }
                    watch(socket, 0);
                    if (!has_pool && !attach(socket)) end(socket);
                }
                continue;
            }
            if (!sides[socket].is_open) continue;  /* closed earlier in this turn */
            if (events[i].events & EPOLLOUT) flush(socket);
            if (sides[socket].is_open && events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) copy(socket);
        }
    }
}
