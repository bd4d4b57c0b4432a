// What the files of the virtual kernel share, and nobody else sees.
#ifndef SLUICE_KERNEL_H
#define SLUICE_KERNEL_H

#include "virtual_kernel.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

#pragma GCC visibility push(hidden)

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

// Descriptor VK_FIRST + i is entries[i].
extern struct entry *entries[SOCKETS];
extern int is_virtual, gateway_runs, lag_chance, next_port;
extern uint64_t now, wall_offset, lag_most, state, progress;
extern size_t room_most;

// The system's own function of this name.
void *real(const char *name);
#define REAL(name) ((__typeof__(&name))real(#name))

// Whether the descriptor is one of ours, and its entry; NULL if it is not open.
#define IS_OURS(descriptor) (is_virtual && (descriptor) >= VK_FIRST && (descriptor) < VK_FIRST + SOCKETS)
struct entry *entry(int descriptor);
// Sets errno. Returns -1.
int fail(int error);
uint64_t random_word(void);
// Time passes while the gateway runs.
void lag(void);

// connections.c
uint64_t when(const struct marks *marks, size_t offset);
uint32_t readiness(const struct entry *e);
void wake(int descriptor);
void unlist(int descriptor);
int make(enum kind kind);
void breaks(struct entry *e);
int close_entry(int descriptor);
void set_port(struct sockaddr_storage *address);
int connect_entry(int descriptor, const struct sockaddr *address, socklen_t size);
ssize_t receive(int descriptor, void *memory, size_t capacity, int flags);
ssize_t transmit(int descriptor, const void *memory, size_t count);

#pragma GCC visibility pop

#endif
