// libevent as Sluice sees it: the core loop with embedded events. With it the few
// Linux calls that Swift's Glibc module does not show.
#ifndef SLUICE_CLIBEVENT_H
#define SLUICE_CLIBEVENT_H

// Before libevent, whose configuration header asks for GNU extensions: with them fd_set has other members than in
// Swift's Glibc module, and the two definitions would clash.
#include <features.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/memfd.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/keyvalq_struct.h>
#include <event2/util.h>

#include "crash.h"

// Of fcntl(2), as linux/fcntl.h has them, which glibc's own header shuts out.
#define SLUICE_F_ADD_SEALS 1033
#define SLUICE_F_GET_SEALS 1034
#define SLUICE_F_SEAL_SEAL 1
#define SLUICE_F_SEAL_SHRINK 2
#define SLUICE_F_SEAL_GROW 4

extern long syscall(long, ...);
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int malloc_trim(size_t);
extern int pthread_setname_np(pthread_t, const char *);
extern int pthread_timedjoin_np(pthread_t, void **, const struct timespec *);

// Whether the loop's latest wait has something for this event whose callback has not run yet.
static inline bool sluice_event_is_due(const struct event *event) {
    return (event->ev_evcallback.evcb_flags & EVLIST_ACTIVE) != 0;
}

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

// Bytes in the socket's send buffer that were not acknowledged (SIOCOUTQ, tcp(7)). 0 on success.
static inline int sluice_unacknowledged(int descriptor, int *count) {
    return ioctl(descriptor, TIOCOUTQ, count);
}

// A counter to wake a thread with, non-blocking and closed on exec.
static inline int sluice_eventfd(void) {
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

// Memory behind a descriptor (memfd_create(2)), of a size that nobody can change any more; -1 where the system has none.
static inline int sluice_shared_memory(size_t size) {
    int descriptor = (int)syscall(SYS_memfd_create, "sluice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -1;
    const int seals = SLUICE_F_SEAL_SHRINK | SLUICE_F_SEAL_GROW | SLUICE_F_SEAL_SEAL;
    if (ftruncate(descriptor, (off_t)size) != 0 || fcntl(descriptor, SLUICE_F_ADD_SEALS, seals) != 0) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

// Whether that is what a descriptor stands for.
static inline bool sluice_is_shared_memory(int descriptor, size_t size) {
    struct stat status;
    int seals = fcntl(descriptor, SLUICE_F_GET_SEALS);
    return seals >= 0 && (seals & SLUICE_F_SEAL_SHRINK) != 0 && fstat(descriptor, &status) == 0 && status.st_size == (off_t)size;
}

// Sends one message with descriptors beside it (SCM_RIGHTS), at most SLUICE_DESCRIPTORS_MAX. The bytes sent, or -1.
#define SLUICE_DESCRIPTORS_MAX 128
static inline ssize_t sluice_send_descriptors(int socket, const void *bytes, size_t size, const int *descriptors, size_t count) {
    union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int) * SLUICE_DESCRIPTORS_MAX)]; } control;
    struct iovec part = { (void *)bytes, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (count > SLUICE_DESCRIPTORS_MAX) return -1;
    if (count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * count);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

// Receives one message and the descriptors beside it, closed on exec. `descriptors` has room for SLUICE_DESCRIPTORS_MAX.
// The bytes received, 0 at the end, or -1. A message that was cut is an error: what was cut may have been descriptors.
static inline ssize_t sluice_receive_descriptors(int socket, void *bytes, size_t size, int *descriptors, size_t *count) {
    union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int) * SLUICE_DESCRIPTORS_MAX)]; } control;
    struct iovec part = { bytes, size };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room };
    ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    *count = 0;
    if (received < 0) return received;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t found = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (*count + found > SLUICE_DESCRIPTORS_MAX) found = SLUICE_DESCRIPTORS_MAX - *count;
        memcpy(descriptors + *count, CMSG_DATA(header), found * sizeof(int));
        *count += found;
    }
    return message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -1 : received;
}

// The user at the other end of a connected Unix socket, and its process; -1 if the kernel does not say.
static inline int sluice_peer(int socket, unsigned int *user, int *process) {
    struct { int process; unsigned int user; unsigned int group; } peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
    *user = peer.user;
    *process = peer.process;
    return 0;
}

// A number that no other socket of this machine has, however many descriptors lead to it; 0 if the kernel does not say.
static inline unsigned long long sluice_socket_cookie(int socket) {
    unsigned long long cookie = 0;
    socklen_t size = sizeof cookie;
    return getsockopt(socket, SOL_SOCKET, 57 /* SO_COOKIE */, &cookie, &size) == 0 ? cookie : 0;
}

// Whether the kernel may write the process's memory to a core file, and let other processes of its user read it.
static inline int sluice_set_dumpable(int dumpable) {
    return prctl(PR_SET_DUMPABLE, (unsigned long)dumpable, 0ul, 0ul, 0ul);
}

// Has the processor fetch a line into its cache.
static inline void sluice_prefetch(const void *address) {
    __builtin_prefetch(address);
}

// Returns freed memory to the system.
static inline void sluice_trim_heap(void) {
    malloc_trim(0);
}

// Waits for a thread's end, for so many milliseconds at most. 0 if it has ended, and only then must it not be joined again.
static inline int sluice_join_thread(pthread_t thread, long milliseconds) {
    struct timespec until;
    if (clock_gettime(CLOCK_REALTIME, &until) != 0) return -1;
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += milliseconds % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return pthread_timedjoin_np(thread, NULL, &until);
}

// Names a thread; the name has at most 15 bytes.
static inline int sluice_name_thread(pthread_t thread, const char *name) {
    return pthread_setname_np(thread, name);
}

#endif
