/*
 * Runs a program and lets one of its state-changing system calls go wrong.
 *
 *   fault [-a NAME] [-u NAME] [-i WORDS] [-l MILLISECONDS] BELOW REPORT MODE N PROGRAM [ARGUMENT...]
 *
 *   -a NAME          counts only what comes after a call whose object has this name
 *   -u NAME          all is well from a call on whose object has this name
 *   -i WORDS         counts only calls in whose object's path these words are
 *   -l MILLISECONDS  what stays as it is (enospc-on, eio-on) does so for this long, then all is well
 *
 * Counted, over all processes that descend from PROGRAM together, are the calls that change what lies
 * below the folder BELOW: making, writing, renaming, removing, truncating, syncing. At call number N
 * (from 1; none when N is 0):
 *
 *   kill        every process is killed by SIGKILL before the call, as by a power cut without the disk
 *   kill-one    only the process that makes the call
 *   enospc      the call fails with ENOSPC, once (removing and syncing never do)
 *   enospc-on   so do all after it: the disk stays full
 *   eio         the call fails with EIO, once
 *   eio-on      so do all after it
 *
 * REPORT gets `calls NUMBER` and, where something went wrong, `at CALL PATH`. The exit status is the
 * program's, 137 after a kill, 125 where tracing is not possible here.
 *
 * By ptrace and a seccomp filter, because system calls made without the C library (rustix) would
 * escape a preloaded library, and strace counts every process by itself.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Where the call's object stands: a path, a folder's descriptor and a path, or a descriptor. */
enum kind { PATH, AT, FD };
struct call {
    long number;
    const char *name;
    enum kind kind;
    int argument;
    int flags;   /* the argument with open flags, or -1 */
    int consumes; /* whether it needs room on the disk */
};

static const struct call calls[] = {
#ifdef SYS_open
    {SYS_open, "open", PATH, 0, 1, 1},
    {SYS_creat, "creat", PATH, 0, -1, 1},
    {SYS_rename, "rename", PATH, 1, -1, 1},
    {SYS_link, "link", PATH, 1, -1, 1},
    {SYS_symlink, "symlink", PATH, 1, -1, 1},
    {SYS_mkdir, "mkdir", PATH, 0, -1, 1},
    {SYS_unlink, "unlink", PATH, 0, -1, 0},
    {SYS_rmdir, "rmdir", PATH, 0, -1, 0},
    {SYS_chmod, "chmod", PATH, 0, -1, 0},
#endif
#ifdef SYS_renameat
    {SYS_renameat, "renameat", AT, 2, -1, 1},
#endif
    {SYS_openat, "openat", AT, 0, 2, 1},
    {SYS_renameat2, "renameat2", AT, 2, -1, 1},
    {SYS_linkat, "linkat", AT, 2, -1, 1},
    {SYS_symlinkat, "symlinkat", AT, 1, -1, 1},
    {SYS_mkdirat, "mkdirat", AT, 0, -1, 1},
    {SYS_unlinkat, "unlinkat", AT, 0, -1, 0},
    {SYS_fchmodat, "fchmodat", AT, 0, -1, 0},
    {SYS_utimensat, "utimensat", AT, 0, -1, 0},
    {SYS_truncate, "truncate", PATH, 0, -1, 1},
    {SYS_write, "write", FD, 0, -1, 1},
    {SYS_pwrite64, "pwrite64", FD, 0, -1, 1},
    {SYS_writev, "writev", FD, 0, -1, 1},
    {SYS_copy_file_range, "copy_file_range", FD, 2, -1, 1},
    {SYS_sendfile, "sendfile", FD, 0, -1, 1},
    {SYS_ioctl, "ioctl", FD, 0, -1, 1},
    {SYS_fallocate, "fallocate", FD, 0, -1, 1},
    {SYS_ftruncate, "ftruncate", FD, 0, -1, 0},
    {SYS_fchmod, "fchmod", FD, 0, -1, 0},
    {SYS_fsync, "fsync", FD, 0, -1, 0},
    {SYS_fdatasync, "fdatasync", FD, 0, -1, 0},
    {SYS_syncfs, "syncfs", FD, 0, -1, 0},
};
enum { CALLS = sizeof calls / sizeof *calls };

enum mode { KILL, KILL_ONE, ENOSPC_ONCE, ENOSPC_ON, EIO_ONCE, EIO_ON };
static const char *modes[] = {"kill", "kill-one", "enospc", "enospc-on", "eio", "eio-on"};

static const char *below, *report, *after, *until, *only;
static int is_over;
static unsigned long count, wanted;
static long long lasts = -1, struck;
static int mode;
static char happened[4400];

static void write_report(void) {
    FILE *file = fopen(report, "w");
    if (file) {
        fprintf(file, "calls %lu\n%s", count, happened);
        fclose(file);
    }
}

static int fail(const char *what) {
    fprintf(stderr, "fault: %s: %s\n", what, strerror(errno));
    return 125;
}

/* The filter stops the calls of the table and lets all others run at full speed. */
static int install_filter(void) {
    struct sock_filter program[CALLS + 3];
    int at = 0;
    program[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < CALLS; i++)
        program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i].number, CALLS - i, 0);
    program[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    struct sock_fprog filter = {.len = (unsigned short)at, .filter = program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static int read_text(pid_t pid, uint64_t from, char *text, size_t size) {
    size_t have = 0;
    while (have < size - 1) {
        /* Up to the end of a page, since the next one may not be there. */
        size_t part = 4096 - ((from + have) & 4095);
        if (part > size - 1 - have) part = size - 1 - have;
        struct iovec here = {text + have, part}, there = {(void *)(uintptr_t)(from + have), part};
        ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
        if (got <= 0) return -1;
        if (memchr(text + have, 0, (size_t)got)) return 0;
        have += (size_t)got;
    }
    text[size - 1] = 0;
    return 0;
}

static int read_link_of(pid_t pid, int fd, char *text, size_t size) {
    char link[64];
    if (fd == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/%d/cwd", pid);
    else
        snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, fd);
    ssize_t got = readlink(link, text, size - 1);
    if (got < 0) return -1;
    text[got] = 0;
    return 0;
}

/* What the call is about, if that lies below the folder; NULL otherwise. */
static const char *object_of(pid_t pid, const struct call *call, const uint64_t *arguments) {
    static char text[8600], name[4200];
    if (call->flags >= 0 && !(arguments[call->flags] & (O_CREAT | O_TRUNC))) return NULL;
    if (call->number == SYS_ioctl && arguments[1] != FICLONE) return NULL;
    if (call->kind == FD) {
        if (read_link_of(pid, (int)arguments[call->argument], text, sizeof text)) return NULL;
    } else {
        int path = call->argument + (call->kind == AT);
        if (arguments[path] == 0) name[0] = 0; /* utimensat of a descriptor */
        else if (read_text(pid, arguments[path], name, sizeof name)) return NULL;
        if (name[0] == '/') {
            strcpy(text, name);
        } else {
            int folder = call->kind == AT ? (int)arguments[call->argument] : AT_FDCWD;
            if (read_link_of(pid, folder, text, 4200)) return NULL;
            if (name[0]) strcat(strcat(text, "/"), name);
        }
        /* Git and libgit2 look that way for objects that are nowhere. */
        if (call->number == SYS_utimensat && faccessat(AT_FDCWD, text, F_OK, AT_SYMLINK_NOFOLLOW)) return NULL;
    }
    size_t length = strlen(below);
    return !strncmp(text, below, length) && (text[length] == '/' || !text[length]) ? text : NULL;
}

static int make_fail(pid_t pid, int error) {
#if defined(__x86_64__)
    return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), -1L) ||
           ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), -(long)error);
#elif defined(__aarch64__)
    int none = -1;
    struct iovec number = {&none, sizeof none};
    struct user_regs_struct registers;
    struct iovec all = {&registers, sizeof registers};
    if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_SYSTEM_CALL, &number) ||
        ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &all))
        return -1;
    registers.regs[0] = (unsigned long long)-(long)error;
    return ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &all);
#else
    (void)pid, (void)error;
    errno = ENOSYS;
    return -1;
#endif
}

/* Nothing below the folder runs any more when this returns: the processes that are traced die with
 * their tracer, which is a process of its own for that. */
static void kill_everything(void) {
    write_report();
    exit(137);
}

static long long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Whether the object has this name. */
static int is_named(const char *object, const char *wanted_name) {
    const char *name = strrchr(object, '/');
    return wanted_name && name && !strcmp(name + 1, wanted_name);
}

/* Whether counting has begun, and is not over. */
static int counts(const char *object) {
    is_over |= is_named(object, until);
    if (!after) return !is_over;
    if (is_named(object, after)) after = NULL;
    return 0;
}

static void consider(pid_t pid) {
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0) return;
    const struct call *call = NULL;
    for (int i = 0; i < CALLS; i++)
        if ((uint64_t)calls[i].number == info.seccomp.nr) call = &calls[i];
    const char *object = call ? object_of(pid, call, (const uint64_t *)info.seccomp.args) : NULL;
    if (!object || !counts(object) || (only && !strstr(object, only))) return;
    count++;
    if (getenv("FAULT_TRACE")) fprintf(stderr, "%lu %s %s\n", count, call->name, object);
    int is_it = count == wanted;
    if (is_it) struck = milliseconds();
    int goes_on = wanted && count >= wanted && (lasts < 0 || milliseconds() - struck < lasts);
    if (is_it) snprintf(happened, sizeof happened, "at %s %.4200s\n", call->name, object);
    if (mode == KILL && is_it) kill_everything();
    if (mode == KILL_ONE && is_it) kill(pid, SIGKILL);
    int fails = mode == ENOSPC_ONCE ? is_it && call->consumes
        : mode == ENOSPC_ON ? goes_on && call->consumes
        : mode == EIO_ONCE ? is_it
        : mode == EIO_ON ? goes_on : 0;
    if (fails && make_fail(pid, mode <= ENOSPC_ON ? ENOSPC : EIO)) exit(fail("change a system call"));
}

static int trace(pid_t first) {
    int status, answer = 125;
    long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                   PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
    if (waitpid(first, &status, WUNTRACED) < 0 || !WIFSTOPPED(status)) return fail("start the program");
    if (ptrace(PTRACE_SEIZE, first, 0, options)) return fail("trace the program");
    kill(first, SIGCONT);
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) break;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (pid == first) answer = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        int event = status >> 16, signal = WSTOPSIG(status);
        if (event == PTRACE_EVENT_SECCOMP) consider(pid);
        if (event == PTRACE_EVENT_STOP && (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU)) {
            ptrace(PTRACE_LISTEN, pid, 0, 0);
            continue;
        }
        ptrace(PTRACE_CONT, pid, 0, event ? 0 : signal);
    }
    write_report();
    return answer;
}

int main(int argc, char **argv) {
    for (int option; (option = getopt(argc, argv, "+a:u:i:l:")) != -1;)
        if (option == 'a') after = optarg;
        else if (option == 'u') until = optarg;
        else if (option == 'i') only = optarg;
        else if (option == 'l') lasts = atoll(optarg);
        else return 2;
    argc -= optind - 1, argv += optind - 1;
    if (argc < 6) {
        fprintf(stderr, "usage: fault [-a NAME] [-u NAME] [-i WORDS] [-l MILLISECONDS] BELOW REPORT MODE N PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    below = argv[1], report = argv[2], wanted = strtoul(argv[4], NULL, 10), mode = -1;
    for (int i = 0; i < (int)(sizeof modes / sizeof *modes); i++)
        if (!strcmp(modes[i], argv[3])) mode = i;
    if (mode < 0) return fail("no such mode");
    /* The tracer is a child, so that this process sees it and, adopted, all that it traced end. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1)) return fail("become the reaper");
    pid_t tracer = fork();
    if (tracer < 0) return fail("fork");
    if (tracer == 0) {
        pid_t first = fork();
        if (first < 0) return fail("fork");
        if (first == 0) {
            raise(SIGSTOP);
            if (install_filter()) _exit(fail("install the filter"));
            execvp(argv[5], argv + 5);
            _exit(fail(argv[5]));
        }
        return trace(first);
    }
    int status, answer = 125;
    pid_t pid;
    while ((pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR)
        if (pid == tracer) answer = WIFEXITED(status) ? WEXITSTATUS(status) : 125;
    return answer;
}
