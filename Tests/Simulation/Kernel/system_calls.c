#define _GNU_SOURCE
#include "kernel.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// The C library's names: clocks, sockets and random bytes.

int clock_gettime(clockid_t clock, struct timespec *time) {
    uint64_t value;
    if (!is_virtual) return REAL(clock_gettime)(clock, time);
    switch (clock) {
    case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_COARSE: case CLOCK_MONOTONIC_RAW: case CLOCK_BOOTTIME: value = now; break;
    case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE: value = now + wall_offset; break;
    default: return REAL(clock_gettime)(clock, time);
    }
    time->tv_sec = (time_t)(value / 1000000000u);
    time->tv_nsec = (long)(value % 1000000000u);
    // What the gateway's promises rest on: little time passes between a reading of the clock and what it decides.
    if (gateway_runs && lag_chance > 0 && lag_most > 0 && (int)(random_word() % 1000) < lag_chance) now += random_word() % (lag_most < 900000 ? lag_most : 900000);
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    if (!is_virtual) return REAL(gettimeofday)(time, zone);
    time->tv_sec = (time_t)(vk_wall() / 1000000000u);
    time->tv_usec = (suseconds_t)(vk_wall() % 1000000000u / 1000);
    return 0;
}

time_t time(time_t *place) {
    if (!is_virtual) return REAL(time)(place);
    time_t seconds = (time_t)(vk_wall() / 1000000000u);
    if (place) *place = seconds;
    return seconds;
}

int nanosleep(const struct timespec *wanted, struct timespec *left) {
    if (!is_virtual) return REAL(nanosleep)(wanted, left);
    now += (uint64_t)wanted->tv_sec * 1000000000u + (uint64_t)wanted->tv_nsec;
    return 0;
}

int socket(int family, int type, int protocol) {
    if (!is_virtual || (family != AF_INET && family != AF_INET6)) return REAL(socket)(family, type, protocol);
    return make(FRESH);
}

int bind(int descriptor, const struct sockaddr *address, socklen_t size) {
    if (!IS_OURS(descriptor)) return REAL(bind)(descriptor, address, size);
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    memcpy(&e->local, address, size < sizeof e->local ? size : sizeof e->local);
    return 0;
}

int listen(int descriptor, int backlog) {
    if (!IS_OURS(descriptor)) return REAL(listen)(descriptor, backlog);
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    set_port(&e->local);
    e->kind = LISTENS;
    return 0;
}

int connect(int descriptor, const struct sockaddr *address, socklen_t size) {
    if (!IS_OURS(descriptor)) return REAL(connect)(descriptor, address, size);
    if (!entry(descriptor)) return fail(EBADF);
    int result = connect_entry(descriptor, address, size);
    lag();
    return result;
}

int accept4(int descriptor, struct sockaddr *address, socklen_t *size, int flags) {
    if (!IS_OURS(descriptor)) return REAL(accept4)(descriptor, address, size, flags);
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    lag();
    while (e->waiting_count > 0) {
        int accepted = e->waiting[0];
        memmove(e->waiting, e->waiting + 1, (size_t)--e->waiting_count * sizeof *e->waiting);
        struct entry *a = entry(accepted);
        if (!a) continue;
        if (address && size) {
            socklen_t own = a->remote.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
            memcpy(address, &a->remote, *size < own ? *size : own);
            *size = own;
        }
        progress++;
        return accepted;
    }
    return fail(EAGAIN);
}

int vk_accept(int listener) { return accept4(listener, NULL, NULL, 0); }

int getsockname(int descriptor, struct sockaddr *address, socklen_t *size) {
    if (!IS_OURS(descriptor)) return REAL(getsockname)(descriptor, address, size);
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    socklen_t own = e->local.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    memcpy(address, &e->local, *size < own ? *size : own);
    *size = own;
    return 0;
}

int setsockopt(int descriptor, int level, int name, const void *value, socklen_t size) {
    if (!IS_OURS(descriptor)) return REAL(setsockopt)(descriptor, level, name, value, size);
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    if (level == SOL_SOCKET && name == SO_LINGER) e->resets = ((const struct linger *)value)->l_onoff && ((const struct linger *)value)->l_linger == 0;
    return 0;
}

int getsockopt(int descriptor, int level, int name, void *restrict value, socklen_t *restrict size) {
    if (!IS_OURS(descriptor)) return REAL(getsockopt)(descriptor, level, name, value, size);
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    int answer = 0;
    if (level == SOL_SOCKET) switch (name) {
    case SO_ERROR: answer = e->kind == CONNECTED && e->in->broken ? ECONNRESET : e->error; break;
    case SO_ACCEPTCONN: answer = e->kind == LISTENS; break;
    case SO_TYPE: answer = SOCK_STREAM; break;
    default: break;
    }
    memset(value, 0, *size);
    memcpy(value, &answer, *size < sizeof answer ? *size : sizeof answer);
    return 0;
}

int shutdown(int descriptor, int how) {
    if (!IS_OURS(descriptor)) return REAL(shutdown)(descriptor, how);
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    if (e->kind != CONNECTED) return fail(ENOTCONN);
    if (how == SHUT_WR || how == SHUT_RDWR) {
        e->sending_ended = 1;
        e->out->ended = 1;
        wake(e->peer);
    }
    return 0;
}

int close(int descriptor) {
    if (!IS_OURS(descriptor)) return REAL(close)(descriptor);
    int result = close_entry(descriptor);
    lag();
    return result;
}

ssize_t recv(int descriptor, void *memory, size_t capacity, int flags) {
    return IS_OURS(descriptor) ? receive(descriptor, memory, capacity, flags) : REAL(recv)(descriptor, memory, capacity, flags);
}
ssize_t send(int descriptor, const void *memory, size_t count, int flags) {
    return IS_OURS(descriptor) ? transmit(descriptor, memory, count) : REAL(send)(descriptor, memory, count, flags);
}
ssize_t read(int descriptor, void *memory, size_t capacity) {
    return IS_OURS(descriptor) ? receive(descriptor, memory, capacity, 0) : REAL(read)(descriptor, memory, capacity);
}
ssize_t write(int descriptor, const void *memory, size_t count) {
    return IS_OURS(descriptor) ? transmit(descriptor, memory, count) : REAL(write)(descriptor, memory, count);
}
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    if (!IS_OURS(descriptor)) return REAL(writev)(descriptor, parts, count);
    ssize_t sent = 0;
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len == 0) continue;
        ssize_t one = transmit(descriptor, parts[i].iov_base, parts[i].iov_len);
        if (one < 0) return sent > 0 ? sent : one;
        sent += one;
        if ((size_t)one < parts[i].iov_len) break;
    }
    return sent;
}

int fcntl(int descriptor, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (!IS_OURS(descriptor)) return ((int (*)(int, int, ...))real("fcntl"))(descriptor, command, argument);
    return entry(descriptor) ? (command == F_GETFL ? O_RDWR | O_NONBLOCK : 0) : fail(EBADF);
}
int fcntl64(int descriptor, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return fcntl(descriptor, command, argument);
}

int ioctl(int descriptor, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (!IS_OURS(descriptor)) return ((int (*)(int, unsigned long, ...))real("ioctl"))(descriptor, request, argument);
    struct entry *e = entry(descriptor);
    if (!e) return fail(EBADF);
    if (request == TIOCOUTQ && e->kind == CONNECTED) *(int *)argument = (int)(e->out->written - e->out->read);
    return 0;
}

static ssize_t fill(void *memory, size_t count) {
    for (size_t i = 0; i < count; i++) ((unsigned char *)memory)[i] = (unsigned char)random_word();
    return (ssize_t)count;
}
ssize_t getrandom(void *memory, size_t count, unsigned int flags) {
    return is_virtual ? fill(memory, count) : REAL(getrandom)(memory, count, flags);
}
int getentropy(void *memory, size_t count) {
    if (!is_virtual) return REAL(getentropy)(memory, count);
    fill(memory, count);
    return 0;
}

// OpenSSL's.
int RAND_bytes(unsigned char *memory, int count) {
    if (!is_virtual) return ((int (*)(unsigned char *, int))real("RAND_bytes"))(memory, count);
    fill(memory, (size_t)count);
    return 1;
}
int RAND_priv_bytes(unsigned char *memory, int count) { return RAND_bytes(memory, count); }

long syscall(long number, ...) {
    va_list rest;
    va_start(rest, number);
    long a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long), d = va_arg(rest, long), e = va_arg(rest, long), f = va_arg(rest, long);
    va_end(rest);
    if (is_virtual) {
        if (number == SYS_recvfrom && IS_OURS((int)a)) return receive((int)a, (void *)b, (size_t)c, (int)d);
        if (number == SYS_sendto && IS_OURS((int)a)) return transmit((int)a, (const void *)b, (size_t)c);
        if (number == SYS_getrandom) return fill((void *)a, (size_t)b);
    }
    return ((long (*)(long, ...))real("syscall"))(number, a, b, c, d, e, f);
}
