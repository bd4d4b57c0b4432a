/* The floor of the benchmarks: what the kernel alone costs.
 *
 *   floor PORT UPSTREAM_PORT
 *
 * Copies bytes between the same sockets that a proxy would have, one receive and one send each way, and looks at none of them. Every
 * client's connection has an upstream connection of its own, which lives as long as it does. One thread, edge-triggered. */
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
    int other;             /* the socket that this one's bytes go to; 0 when closed */
    char *unsent;          /* what this socket did not take; while there is some, the other is not read */
    size_t unsent_count;
};

static struct side sides[CONNECTIONS_MAX];

static void end(int socket) {
    int both[2] = {socket, sides[socket].other};
    for (int i = 0; i < 2; i++) {
        free(sides[both[i]].unsent);
        memset(&sides[both[i]], 0, sizeof sides[0]);
        close(both[i]);
    }
}

/* Edge-triggered: reads until a short read, or until the other side takes no more. */
static void copy(int from) {
    static char bytes[READ_BYTES];
    int to = sides[from].other;
    while (sides[to].unsent_count == 0) {
        ssize_t got = recv(from, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) { end(from); return; }
        ssize_t sent = send(to, bytes, (size_t)got, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) { end(from); return; }
        if (sent < 0) sent = 0;
        if (sent < got) {
            sides[to].unsent_count = (size_t)(got - sent);
            sides[to].unsent = malloc(sides[to].unsent_count);
            memcpy(sides[to].unsent, bytes + sent, sides[to].unsent_count);
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
    copy(side->other);
}

int main(int argc, char **argv) {
    if (argc < 3) { fprintf(stderr, "usage: floor PORT UPSTREAM_PORT\n"); return 2; }
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) { perror("floor"); return 1; }
    address.sin_port = htons((uint16_t)atoi(argv[2]));

    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int client = events[i].data.fd;
            if (client == listener) {
                while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    int upstream = socket(AF_INET, SOCK_STREAM, 0);
                    if (client >= CONNECTIONS_MAX || upstream < 0 || upstream >= CONNECTIONS_MAX || connect(upstream, (struct sockaddr *)&address, sizeof address) < 0) {
                        close(client), close(upstream);
                        continue;
                    }
                    int pair[2] = {client, upstream};
                    for (int side = 0; side < 2; side++) {
                        setsockopt(pair[side], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                        sides[pair[side]] = (struct side){.other = pair[1 - side]};
                        event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = pair[side]};
                        epoll_ctl(epoll, EPOLL_CTL_ADD, pair[side], &event);
                    }
                }
                continue;
            }
            if (sides[client].other == 0) continue;  /* closed earlier in this turn */
            if (events[i].events & EPOLLOUT) flush(client);
            if (sides[client].other != 0 && events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) copy(client);
        }
    }
}
