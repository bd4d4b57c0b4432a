#define _GNU_SOURCE
#include "virtual_kernel.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS 4096
#define WAITING 256

// One direction of a connection. Bytes are kept until the reader has taken them, marks of time to the end of the run.
struct mark { size_t end; uint64_t time; };
struct marks { struct mark *all; size_t count, room; };
struct direction {
    int users;
    unsigned char *bytes;
    size_t room, first, read, written, most;
    int ended, broken, reader_gone;
    struct marks writes, reads;
};

enum kind { FREE, FRESH, LISTENS, CONNECTING, CONNECTED, EPOLL, COUNTER };
struct entry {
    enum kind kind;
    int is_gateways, is_blocking;
    struct sockaddr_storage local, remote;
    // Of a connection: both directions and the other end, -1 once that is closed.
    struct direction *in, *out;
    int peer, error, wants_room, resets, sending_ended;
    // Of a listening socket.
    int waiting[WAITING], waiting_count;
    enum vk_answer answer;
    // Of a counter.
    uint64_t value;
    // Registration with an epoll: where, for what, and whether it stands in the list of what is ready.
    int epoll, is_ready;
    uint32_t interest;
    epoll_data_t data;
    // Of an epoll: what is ready, in order.
    int ready[SOCKETS], ready_count;
};

static struct entry *entries[SOCKETS];
static int is_virtual, gateway_runs, lag_chance, next_port;
static uint64_t now, wall_offset, lag_most, state, progress;
static size_t room_most;

// MARK: The system's own

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) {
    static struct { const char *name; void *call; } known[64];
    for (int i = 0; i < 64; i++) {
        if (known[i].name == name) return known[i].call;
        if (known[i].name) continue;
        known[i].call = dlsym(RTLD_NEXT, name);
        known[i].name = name;
        return known[i].call;
    }
    return dlsym(RTLD_NEXT, name);
}

static struct entry *entry(int descriptor) {
    if (!is_virtual || descriptor < VK_FIRST || descriptor >= VK_FIRST + SOCKETS) return NULL;
    struct entry *e = entries[descriptor - VK_FIRST];
    return e && e->kind != FREE ? e : NULL;
}
#define IS_OURS(descriptor) (is_virtual && (descriptor) >= VK_FIRST && (descriptor) < VK_FIRST + SOCKETS)
static int fail(int error) { errno = error; return -1; }

static uint64_t random_word(void) {
    uint64_t word = state += 0x9E3779B97F4A7C15u;
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
}

static void lag(void) {
    if (!gateway_runs || lag_chance == 0 || lag_most == 0) return;
    if ((int)(random_word() % 1000) < lag_chance) now += random_word() % lag_most;
}

// MARK: Directions

static void note(struct marks *marks, size_t end) {
    if (marks->count > 0 && marks->all[marks->count - 1].time == now) { marks->all[marks->count - 1].end = end; return; }
    if (marks->count == marks->room) {
        marks->room = marks->room ? 2 * marks->room : 4;
        marks->all = realloc(marks->all, marks->room * sizeof *marks->all);
    }
    marks->all[marks->count++] = (struct mark){ end, now };
}

static uint64_t when(const struct marks *marks, size_t offset) {
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

static uint32_t readiness(const struct entry *e) {
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

static void wake(int descriptor) {
    struct entry *e = entry(descriptor);
    if (!e) return;
    progress++;
    if (e->epoll < 0 || e->is_ready) return;
    struct entry *set = entry(e->epoll);
    if (!set || set->kind != EPOLL) return;
    e->is_ready = 1;
    set->ready[set->ready_count++] = descriptor;
}

static void unlist(int descriptor) {
    struct entry *e = entry(descriptor), *set = e && e->epoll >= 0 ? entry(e->epoll) : NULL;
    if (!set || !e->is_ready) return;
    e->is_ready = 0;
    int kept = 0;
    for (int i = 0; i < set->ready_count; i++) if (set->ready[i] != descriptor) set->ready[kept++] = set->ready[i];
    set->ready_count = kept;
}

// MARK: Descriptors

static int make(enum kind kind) {
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
static void breaks(struct entry *e) {
    struct entry *peer = entry(e->peer);
    e->out->broken = 1;
    if (peer) wake(e->peer);
}

static int close_entry(int descriptor) {
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

static void set_port(struct sockaddr_storage *address) {
    in_port_t *port = address->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)address)->sin6_port : &((struct sockaddr_in *)address)->sin_port;
    if (*port == 0) *port = htons(20000 + (next_port++ % 40000));
}

static int connect_entry(int descriptor, const struct sockaddr *address, socklen_t size) {
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

static ssize_t receive(int descriptor, void *memory, size_t capacity, int flags) {
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

static ssize_t transmit(int descriptor, const void *memory, size_t count) {
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

// MARK: What the program calls besides

void vk_begin(uint64_t seed, uint64_t monotonic_nanoseconds, uint64_t wall_nanoseconds) {
    for (int i = 0; i < SOCKETS; i++) if (entries[i] && entries[i]->kind != FREE) { entries[i]->peer = -1; if (is_virtual) close_entry(VK_FIRST + i); }
    is_virtual = 1;
    gateway_runs = lag_chance = 0;
    next_port = 0;
    room_most = 1 << 18;
    state = seed;
    now = monotonic_nanoseconds;
    wall_offset = wall_nanoseconds - monotonic_nanoseconds;
}
uint64_t vk_now(void) { return now; }
uint64_t vk_wall(void) { return now + wall_offset; }
void vk_advance(uint64_t nanoseconds) { now += nanoseconds; }
void vk_step_wall(int64_t nanoseconds) { wall_offset += (uint64_t)nanoseconds; }
void vk_gateway_runs(int on) { gateway_runs = on; }
void vk_set_lag(int chance, uint64_t most) { lag_chance = chance; lag_most = most; }
void vk_set_answer(int listener, enum vk_answer answer) { struct entry *e = entry(listener); if (e) e->answer = answer; }
void vk_set_room(size_t bytes) { room_most = bytes; }
void vk_reset(int descriptor) {
    struct entry *e = entry(descriptor);
    if (!e || e->kind != CONNECTED) return;
    breaks(e);
    e->in->reader_gone = 1;
    e->in->broken = 1;
    e->sending_ended = 1;
}
uint64_t vk_written_at(int descriptor, size_t offset) { struct entry *e = entry(descriptor); return e && e->in ? when(&e->in->writes, offset) : 0; }
uint64_t vk_read_at(int descriptor, size_t offset) { struct entry *e = entry(descriptor); return e && e->out ? when(&e->out->reads, offset) : 0; }
int vk_open_by_gateway(int *kinds) {
    int count = 0;
    *kinds = 0;
    for (int i = 0; i < SOCKETS; i++) {
        if (!entries[i] || !entries[i]->is_gateways || (entries[i]->kind != CONNECTED && entries[i]->kind != CONNECTING && entries[i]->kind != FRESH)) continue;
        count++;
        *kinds = *kinds * 100 + entries[i]->kind * 10 + (entries[i]->peer >= 0);
    }
    return count;
}
int vk_fork(void) { return fork(); }
int vk_await(int *status) {
    int raw = 0, child = wait(&raw);
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : -WTERMSIG(raw);
    return child;
}
uint64_t vk_progress(void) { return progress; }

// MARK: The C library's names

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
