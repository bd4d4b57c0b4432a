// libevent as Sluice sees it: the core loop with embedded events, and evhttp for the admin listener. With it the few
// Linux calls that Swift's Glibc module does not show.
#ifndef SLUICE_CLIBEVENT_H
#define SLUICE_CLIBEVENT_H

// Before libevent, whose configuration header asks for GNU extensions: with them fd_set has other members than in
// Swift's Glibc module, and the two definitions would clash.
#include <features.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <pthread.h>
#include <stddef.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/util.h>

extern long syscall(long, ...);
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int malloc_trim(size_t);
extern int pthread_setname_np(pthread_t, const char *);

// Accepts one connection, non-blocking and closed on exec.
static inline int sluice_accept(int listener, struct sockaddr *address, socklen_t *size) {
    return accept4(listener, address, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

// recv and send are places at which a thread can be cancelled: in a process with several threads, glibc marks that before each
// call and takes it back behind it, with an atomic exchange each time. None of ours is ever cancelled.
static inline ssize_t sluice_receive(int descriptor, void *memory, size_t capacity, int flags) {
    return syscall(SYS_recvfrom, descriptor, memory, capacity, flags, NULL, NULL);
}

static inline ssize_t sluice_send(int descriptor, const void *memory, size_t count, int flags) {
    return syscall(SYS_sendto, descriptor, memory, count, flags, NULL, 0);
}

// A counter to wake a thread with, non-blocking and closed on exec.
static inline int sluice_eventfd(void) {
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

// Has the processor fetch a line into its cache.
static inline void sluice_prefetch(const void *address) {
    __builtin_prefetch(address);
}

// Returns freed memory to the system.
static inline void sluice_trim_heap(void) {
    malloc_trim(0);
}

// Names a thread; the name has at most 15 bytes.
static inline int sluice_name_thread(pthread_t thread, const char *name) {
    return pthread_setname_np(thread, name);
}

#endif
