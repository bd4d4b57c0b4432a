// A network, clocks and random bytes that exist in memory only, in the place of the system's: for a program that plays a whole gateway
// with its clients and services on one thread, to the same end every time.
//
// The program that links this defines the C library's own names (recv, epoll_wait, clock_gettime, ...), so that its modules and the libraries
// they use, libevent and OpenSSL among them, call these. Descriptors of the virtual kernel are numbers from VK_FIRST on; calls with any other
// descriptor go to the system. Everybody uses the ordinary calls; below is what there is besides.
#ifndef SLUICE_VIRTUAL_KERNEL_H
#define SLUICE_VIRTUAL_KERNEL_H

#include <stddef.h>
#include <stdint.h>

// Forgets everything of an earlier run, and begins one: sockets, clocks and random bytes are virtual from here on.
void vk_begin(uint64_t seed, uint64_t monotonic_nanoseconds, uint64_t wall_nanoseconds);

// The clocks.
uint64_t vk_now(void);
void vk_advance(uint64_t nanoseconds);
// Sets the wall clock forward or back; the monotonic clock goes on.
void vk_step_wall(int64_t nanoseconds);
uint64_t vk_wall(void);

// While `on`, the calls are the gateway's: after each of them, with a probability of `chance` in 1000, up to `most` nanoseconds pass.
void vk_gateway_runs(int on);
void vk_set_lag(int chance, uint64_t most);

// What happens to connections that are opened to a listening socket from here on.
enum vk_answer { VK_ACCEPTS = 0, VK_REFUSES = 1, VK_IS_SILENT = 2 };
void vk_set_answer(int listener, enum vk_answer answer);

// A socket that listens at a literal address, and one that is connected from one to another; -1 if nobody takes it there.
int vk_listen(const char *address, int port);
int vk_accept(int listener);
int vk_connect(const char *from, const char *to, int port);

// Bytes that may be under way in each direction of connections that are opened from here on.
void vk_set_room(size_t bytes);

// Breaks a connection as a crash of its peer would: what was sent before can still be read. The descriptor stays.
void vk_reset(int descriptor);

// When the byte at this offset of what the descriptor receives was written by the other side; 0 if it was not.
uint64_t vk_written_at(int descriptor, size_t offset);
// When the byte at this offset of what was sent on the descriptor was read by the other side; 0 if it was not.
uint64_t vk_read_at(int descriptor, size_t offset);

// Sockets of the gateway's (opened while it runs) that are not closed.
int vk_open_by_gateway(int *kinds);
// Counts everything that has happened; unchanged means that nothing moved.
uint64_t vk_progress(void);

// Begins a process that is a copy of this one: 0 in the copy. And waits for one to end: its number, -1 for none; `status` is its exit code, or minus the signal.
int vk_fork(void);
int vk_await(int *status);

#define VK_FIRST 256

#endif
