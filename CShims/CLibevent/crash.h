// What a crash says: one line with signal and places in the program, and nothing of registers or memory, which hold requests and secrets.
// Functions of signal handlers: no memory, no locks.
#ifndef SLUICE_CRASH_H
#define SLUICE_CRASH_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    SLUICE_CRASH_FRAMES = 32,
    SLUICE_CRASH_LINE_BYTES = 1024,
    // For handlers of a thread whose own stack is used up.
    SLUICE_SIGNAL_STACK_BYTES = 32 * 1024,
};

// The linker's: where the program is loaded, which its symbols are relative to, and where its code ends.
extern const char __executable_start, etext;

typedef struct {
    char text[SLUICE_CRASH_LINE_BYTES];
    size_t count;
} sluice_crash_line;

static inline void sluice_crash_put(sluice_crash_line *line, const char *text) {
    while (*text && line->count < sizeof line->text) line->text[line->count++] = *text++;
}

static inline void sluice_crash_put_number(sluice_crash_line *line, uintptr_t number, unsigned radix) {
    char digits[sizeof number * 8 + 1];
    size_t place = sizeof digits - 1;
    digits[place] = 0;
    do digits[--place] = "0123456789abcdef"[number % radix];
    while ((number /= radix) > 0 && place > 0);
    sluice_crash_put(line, digits + place);
}

static inline const char *sluice_crash_name(int number) {
    switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGTRAP: return "SIGTRAP";
    case SIGFPE: return "SIGFPE";
    case SIGABRT: return "SIGABRT";
    case SIGSYS: return "SIGSYS";
    default: return "?";
    }
}

// A place in the program's code is told; any other number could be a piece of somebody's data.
static inline bool sluice_crash_put_place(sluice_crash_line *line, uintptr_t place) {
    if (place < (uintptr_t)&__executable_start || place >= (uintptr_t)&etext) return false;
    sluice_crash_put(line, " +0x");
    sluice_crash_put_number(line, place - (uintptr_t)&__executable_start, 16);
    return true;
}

static inline void sluice_crash_put_places(sluice_crash_line *line, const ucontext_t *context) {
#if defined(__x86_64__)
    uintptr_t place = (uintptr_t)context->uc_mcontext.gregs[16 /* REG_RIP */], frame = (uintptr_t)context->uc_mcontext.gregs[10 /* REG_RBP */];
#elif defined(__aarch64__)
    uintptr_t place = context->uc_mcontext.pc, frame = context->uc_mcontext.regs[29];
#else
    uintptr_t place = 0, frame = 0;
#endif
    if (!sluice_crash_put_place(line, place)) sluice_crash_put(line, " outside of the program");
    // The chain of frame pointers may be broken, or none: the kernel reads it and says so.
    for (int count = 0; count < SLUICE_CRASH_FRAMES; count++) {
        uintptr_t pair[2] = {0, 0};
        struct iovec to = {pair, sizeof pair}, from = {(void *)frame, sizeof pair};
        if (frame == 0 || syscall(SYS_process_vm_readv, getpid(), &to, 1ul, &from, 1ul, 0ul) != (long)sizeof pair) return;
        sluice_crash_put_place(line, pair[1]);
        if (pair[0] <= frame) return;
        frame = pair[0];
    }
}

static inline void sluice_crashed(int number, siginfo_t *info, void *context) {
    sluice_crash_line line = {.count = 0};
    char thread[17] = {0};
    prctl(PR_GET_NAME, thread);
    sluice_crash_put(&line, "sluice: crashed by signal ");
    sluice_crash_put_number(&line, (uintptr_t)number, 10);
    sluice_crash_put(&line, " (");
    sluice_crash_put(&line, sluice_crash_name(number));
    if (info->si_code <= 0 && info->si_pid != getpid()) {
        sluice_crash_put(&line, ", sent by process ");
        sluice_crash_put_number(&line, (uintptr_t)info->si_pid, 10);
    }
    sluice_crash_put(&line, ") in thread ");
    sluice_crash_put(&line, thread);
    sluice_crash_put(&line, ", at");
    sluice_crash_put_places(&line, (const ucontext_t *)context);
    if (line.count == sizeof line.text) line.count--;
    line.text[line.count++] = '\n';
    // A reader that takes nothing must not keep the process from ending: it has a second.
    alarm(1);
    ssize_t written = write(STDERR_FILENO, line.text, line.count);
    (void)written;
    // What the signal does by itself: the process ends by it, with a core file where that is allowed.
    signal(number, SIG_DFL);
    raise(number);
}

// Replaces whatever handlers of crashes there are.
static inline void sluice_report_crashes(void) {
    const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGABRT, SIGSYS};
    for (size_t index = 0; index < sizeof numbers / sizeof numbers[0]; index++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = sluice_crashed;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND;
        sigfillset(&action.sa_mask);
        // For the bound on the line's writing.
        sigdelset(&action.sa_mask, SIGALRM);
        sigaction(numbers[index], &action, NULL);
    }
    // An ordinary end, but for the runtime's handler.
    signal(SIGQUIT, SIG_DFL);
}

// Gives the calling thread a stack for handlers; NULL without memory.
static inline void *sluice_take_signal_stack(void) {
    void *memory = mmap(NULL, SLUICE_SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    stack_t stack = {.ss_sp = memory, .ss_size = SLUICE_SIGNAL_STACK_BYTES, .ss_flags = 0};
    if (sigaltstack(&stack, NULL) == 0) return memory;
    munmap(memory, SLUICE_SIGNAL_STACK_BYTES);
    return NULL;
}

static inline void sluice_give_signal_stack(void *memory) {
    if (memory == NULL) return;
    stack_t none = {.ss_sp = NULL, .ss_size = 0, .ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    munmap(memory, SLUICE_SIGNAL_STACK_BYTES);
}

#endif
