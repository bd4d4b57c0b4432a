#define _GNU_SOURCE
#include "kernel.h"

#include <string.h>
#include <sys/eventfd.h>

// The C library's names: what waits for descriptors to become ready.

int eventfd(unsigned int value, int flags) {
    if (!is_virtual) return REAL(eventfd)(value, flags);
    int descriptor = make(COUNTER);
    if (descriptor >= 0) entry(descriptor)->value = value;
    return descriptor;
}

int epoll_create1(int flags) { return is_virtual ? make(EPOLL) : REAL(epoll_create1)(flags); }
int epoll_create(int size) { return is_virtual ? make(EPOLL) : REAL(epoll_create)(size); }

int epoll_ctl(int set, int operation, int descriptor, struct epoll_event *event) {
    if (!IS_OURS(set)) return REAL(epoll_ctl)(set, operation, descriptor, event);
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    switch (operation) {
    case EPOLL_CTL_ADD:
        if (e->epoll >= 0) return fail(EEXIST);
        break;
    case EPOLL_CTL_MOD:
        if (e->epoll != set) return fail(ENOENT);
        break;
    default:
        if (e->epoll != set) return fail(ENOENT);
        unlist(descriptor);
        e->epoll = -1;
        return 0;
    }
    e->epoll = set;
    e->interest = event->events;
    e->data = event->data;
    if (readiness(e) & (e->interest | EPOLLERR | EPOLLHUP)) wake(descriptor);
    return 0;
}

int epoll_wait(int set, struct epoll_event *events, int most, int timeout) {
    if (!IS_OURS(set)) return REAL(epoll_wait)(set, events, most, timeout);
    struct entry *s = entry(set);
    if (!s) return fail(EBADF);
    // Who waits for longer than nothing would wait for ever: nobody else runs.
    if (s->ready_count == 0 && timeout > 0) now += (uint64_t)timeout * 1000000u;
    int count = 0, looked = s->ready_count, kept = 0;
    static int again[SOCKETS];
    int place = 0;
    for (; place < looked && count < most; place++) {
        int descriptor = s->ready[place];
        struct entry *e = entry(descriptor);
        if (!e) continue;
        e->is_ready = 0;
        uint32_t mask = readiness(e) & (e->interest | EPOLLERR | EPOLLHUP);
        if (!mask) continue;
        events[count].events = mask;
        events[count++].data = e->data;
        if (!(e->interest & EPOLLET)) { e->is_ready = 1; again[kept++] = descriptor; }
    }
    memmove(s->ready, s->ready + place, (size_t)(looked - place) * sizeof *s->ready);
    s->ready_count = looked - place;
    for (int i = 0; i < kept; i++) s->ready[s->ready_count++] = again[i];
    lag();
    return count;
}
