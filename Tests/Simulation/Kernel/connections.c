#define _GNU_SOURCE
#include "kernel.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// Descriptors, and connections with what is under way on them.

// MARK: Directions

static void note(struct marks *marks, size_t end) {
    if (marks->count > 0 && marks->all[marks->count - 1].time == now) { marks->all[marks->count - 1].end = end; return; }
    if (marks->count == marks->room) {
        marks->room = marks->room ? 2 * marks->room : 4;
        marks->all = realloc(marks->all, marks->room * sizeof *marks->all);
    }
    marks->all[marks->count++] = (struct mark){ end, now };
}

uint64_t when(const struct marks *marks, size_t offset) {
    for (size_t i = 0; i < marks->count; i++) if (offset < marks->all[i].end) return marks->all[i].time;
    return 0;
}

static struct direction *direction(void) {
    struct direction *d = calloc(1, sizeof *d);
    d->users = 2;
    d->most = room_most;
    return d;
}

static void leave(struct direction *d) {
    if (!d || --d->users > 0) return;
    free(d->bytes);
    free(d->writes.all);
    free(d->reads.all);
    free(d);
}

static size_t room(const struct direction *d) { size_t held = d->written - d->read; return held < d->most ? d->most - held : 0; }

// MARK: Readiness

uint32_t readiness(const struct entry *e) {
    switch (e->kind) {
    case LISTENS: return e->waiting_count > 0 ? EPOLLIN : 0;
    case COUNTER: return (e->value > 0 ? EPOLLIN : 0) | EPOLLOUT;
    case CONNECTING: return e->error ? EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP : 0;
    case FRESH: return EPOLLOUT | EPOLLHUP;
    case CONNECTED: {
        uint32_t mask = 0;
        if (e->in->written > e->in->read || e->in->ended || e->in->broken) mask |= EPOLLIN;
        if (e->in->ended || e->in->broken) mask |= EPOLLRDHUP;
        if (room(e->out) > 0 || e->in->broken) mask |= EPOLLOUT;
        if (e->in->broken) mask |= EPOLLERR | EPOLLHUP;
        if (e->in->ended && e->sending_ended) mask |= EPOLLHUP;
        return mask;
    }
    default: return 0;
    }
}

void wake(int descriptor) {
    struct entry *e = entry(descriptor);
    if (!e) return;
    progress++;
    if (e->epoll < 0 || e->is_ready) return;
    struct entry *set = entry(e->epoll);
    if (!set || set->kind != EPOLL) return;
    e->is_ready = 1;
    set->ready[set->ready_count++] = descriptor;
}

void unlist(int descriptor) {
    struct entry *e = entry(descriptor), *set = e && e->epoll >= 0 ? entry(e->epoll) : NULL;
    if (!set || !e->is_ready) return;
    e->is_ready = 0;
    int kept = 0;
    for (int i = 0; i < set->ready_count; i++) if (set->ready[i] != descriptor) set->ready[kept++] = set->ready[i];
    set->ready_count = kept;
}

// MARK: Descriptors

int make(enum kind kind) {
    for (int i = 0; i < SOCKETS; i++) {
        if (!entries[i]) entries[i] = calloc(1, sizeof *entries[i]);
        if (entries[i]->kind != FREE) continue;
        struct entry *e = entries[i];
        memset(e, 0, offsetof(struct entry, ready));
        e->ready_count = 0;
        e->kind = kind;
        e->peer = e->epoll = -1;
        e->is_gateways = gateway_runs;
        progress++;
        return VK_FIRST + i;
    }
    return fail(EMFILE);
}

// The other end learns that this connection is no more.
void breaks(struct entry *e) {
    struct entry *peer = entry(e->peer);
    e->out->broken = 1;
    if (peer) wake(e->peer);
}

int close_entry(int descriptor) {
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    unlist(descriptor);
    progress++;
    if (e->kind == CONNECTED) {
        struct entry *peer = entry(e->peer);
        if (e->resets || (e->in->written > e->in->read && !e->in->broken)) breaks(e);
        else if (!e->out->ended) e->out->ended = 1;
        e->in->reader_gone = 1;
        if (peer) { peer->peer = -1; wake(e->peer); }
        leave(e->in);
        leave(e->out);
    }
    if (e->kind == LISTENS) for (int i = 0; i < e->waiting_count; i++) {
        struct entry *w = entry(e->waiting[i]);
        if (w) { w->resets = 1; close_entry(e->waiting[i]); }
    }
    if (e->kind == EPOLL) for (int i = 0; i < SOCKETS; i++) if (entries[i] && entries[i]->epoll == descriptor) { entries[i]->epoll = -1; entries[i]->is_ready = 0; }
    e->kind = FREE;
    return 0;
}

static int same(const struct sockaddr_storage *a, const struct sockaddr_storage *b) {
    if (a->ss_family != b->ss_family) return 0;
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
    return x->sin6_port == y->sin6_port && memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
}

// The listening socket at an address; where several share it, one of them.
static int listener_at(const struct sockaddr_storage *address) {
    int found[64], count = 0;
    for (int i = 0; i < SOCKETS && count < 64; i++)
        if (entries[i] && entries[i]->kind == LISTENS && same(&entries[i]->local, address)) found[count++] = VK_FIRST + i;
    return count == 0 ? -1 : found[count == 1 ? 0 : random_word() % count];
}

void set_port(struct sockaddr_storage *address) {
    in_port_t *port = address->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)address)->sin6_port : &((struct sockaddr_in *)address)->sin_port;
    if (*port == 0) *port = htons(20000 + (next_port++ % 40000));
}

int connect_entry(int descriptor, const struct sockaddr *address, socklen_t size) {
    struct entry *e = entry(descriptor);
    memcpy(&e->remote, address, size < sizeof e->remote ? size : sizeof e->remote);
    if (e->local.ss_family == 0) {
        e->local.ss_family = address->sa_family;
        if (address->sa_family == AF_INET) ((struct sockaddr_in *)&e->local)->sin_addr.s_addr = htonl(0x0A000001);
    }
    set_port(&e->local);
    int at = listener_at(&e->remote);
    struct entry *l = at < 0 ? NULL : entry(at);
    e->kind = CONNECTING;
    if (l && l->answer == VK_IS_SILENT) return fail(EINPROGRESS);
    if (!l || l->answer == VK_REFUSES || l->waiting_count == WAITING) {
        e->error = ECONNREFUSED;
        wake(descriptor);
        return fail(EINPROGRESS);
    }
    int other = make(CONNECTED);
    if (other < 0) return -1;
    struct entry *o = entry(other);
    o->is_gateways = !e->is_gateways;
    o->local = e->remote;
    o->remote = e->local;
    e->out = o->in = direction();
    e->in = o->out = direction();
    e->peer = other;
    o->peer = descriptor;
    e->kind = CONNECTED;
    l->waiting[l->waiting_count++] = other;
    wake(at);
    wake(descriptor);
    return fail(EINPROGRESS);
}

static struct sockaddr_storage literal(const char *text, int port) {
    struct sockaddr_storage address;
    memset(&address, 0, sizeof address);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
    } else {
        memset(&address, 0, sizeof address);
        inet_pton(AF_INET6, text, &v6->sin6_addr);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
    }
    return address;
}

int vk_listen(const char *address, int port) {
    int descriptor = make(LISTENS);
    if (descriptor >= 0) entry(descriptor)->local = literal(address, port);
    return descriptor;
}

int vk_connect(const char *from, const char *to, int port) {
    int descriptor = make(FRESH);
    if (descriptor < 0) return -1;
    struct sockaddr_storage remote = literal(to, port);
    entry(descriptor)->local = literal(from, 0);
    connect_entry(descriptor, (struct sockaddr *)&remote, sizeof remote);
    if (entry(descriptor)->kind == CONNECTED) return descriptor;
    close_entry(descriptor);
    return -1;
}

ssize_t receive(int descriptor, void *memory, size_t capacity, int flags) {
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    if (e->kind == COUNTER) {
        if (e->value == 0) return fail(EAGAIN);
        memcpy(memory, &e->value, 8);
        e->value = 0;
        return 8;
    }
    if (e->kind != CONNECTED) return fail(e->error ? e->error : ENOTCONN);
    struct direction *d = e->in;
    size_t held = d->written - d->read, count = held < capacity ? held : capacity;
    if (held == 0) {
        if (d->broken) return fail(ECONNRESET);
        return d->ended ? 0 : fail(EAGAIN);
    }
    memcpy(memory, d->bytes + d->first, count);
    if (flags & MSG_PEEK) return (ssize_t)count;
    d->first += count;
    d->read += count;
    if (d->first == d->written - d->read + d->first) d->first = 0;
    note(&d->reads, d->read);
    progress++;
    struct entry *peer = entry(e->peer);
    if (peer && peer->wants_room && room(d) * 3 >= d->most) { peer->wants_room = 0; wake(e->peer); }
    lag();
    return (ssize_t)count;
}

ssize_t transmit(int descriptor, const void *memory, size_t count) {
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    if (e->kind == COUNTER) { uint64_t more; memcpy(&more, memory, 8); e->value += more; wake(descriptor); return 8; }
    if (e->kind != CONNECTED) return fail(e->kind == CONNECTING && !e->error ? EAGAIN : ENOTCONN);
    struct direction *d = e->out;
    if (e->sending_ended || e->in->broken) return fail(EPIPE);
    if (d->reader_gone) {
        // Nobody reads there any more: the answer is a reset.
        e->in->broken = 1;
        wake(descriptor);
        lag();
        return (ssize_t)count;
    }
    size_t free_room = room(d);
    if (free_room == 0 && count > 0) { e->wants_room = 1; return fail(EAGAIN); }
    if (count > free_room) { count = free_room; e->wants_room = 1; }
    if (d->first > 0) { memmove(d->bytes, d->bytes + d->first, d->written - d->read); d->first = 0; }
    size_t held = d->written - d->read;
    if (held + count > d->room) {
        d->room = 2 * (held + count) + 256;
        d->bytes = realloc(d->bytes, d->room);
    }
    memcpy(d->bytes + held, memory, count);
    d->written += count;
    note(&d->writes, d->written);
    wake(e->peer);
    lag();
    return (ssize_t)count;
}
