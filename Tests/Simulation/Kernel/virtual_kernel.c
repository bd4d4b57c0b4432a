#define _GNU_SOURCE
#include "kernel.h"

#include <stdatomic.h>
#include <dlfcn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// The state of the virtual kernel, and what the program calls besides the C library's names.

struct entry *entries[SOCKETS];
int is_virtual, gateway_runs, lag_chance, next_port;
uint64_t now, wall_offset, lag_most, state, progress;
size_t room_most;

// MARK: The system's own

// Any thread: tests have others beside the simulation's. A place is written by whoever has claimed it, and read once it has its name.
void *real(const char *name) {
    static struct { atomic_int claimed; _Atomic(const char *) name; void *call; } known[64];
    for (int i = 0; i < 64; i++) {
        const char *present = atomic_load_explicit(&known[i].name, memory_order_acquire);
        if (present == name) return known[i].call;
        if (present) continue;
        int nobody = 0;
        if (!atomic_compare_exchange_strong(&known[i].claimed, &nobody, 1)) break;
        known[i].call = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(&known[i].name, name, memory_order_release);
        return known[i].call;
    }
    return dlsym(RTLD_NEXT, name);
}

struct entry *entry(int descriptor) {
    if (!is_virtual || descriptor < VK_FIRST || descriptor >= VK_FIRST + SOCKETS) return NULL;
    struct entry *e = entries[descriptor - VK_FIRST];
    return e && e->kind != FREE ? e : NULL;
}
int fail(int error) { errno = error; return -1; }

uint64_t random_word(void) {
    uint64_t word = state += 0x9E3779B97F4A7C15u;
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
}

void lag(void) {
    if (!gateway_runs || lag_chance == 0 || lag_most == 0) return;
    if ((int)(random_word() % 1000) < lag_chance) now += random_word() % lag_most;
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
