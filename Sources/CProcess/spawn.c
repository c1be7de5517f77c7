#define _GNU_SOURCE
#include "CProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

// What the child tells its parent over the status pipe: once before execve, once more where execve failed.
typedef struct {
    int step;
    int error;
    unsigned applied;
} status_message;

static void tell(int pipe, int step, int error, unsigned applied) {
    status_message message = {step, error, applied};
    // Shorter than PIPE_BUF, so it goes out whole; there is nobody to tell if it does not.
    ssize_t written = write(pipe, &message, sizeof message);
    (void)written;
}

// By the system call itself: glibc refuses to touch the two signals that it keeps for its threads, and a parent that
// ignores one of them would pass that on. All zero means the default action.
static void reset_signals(void) {
    uint64_t action[4] = {0, 0, 0, 0};
    for (int number = 1; number < NSIG; number++) syscall(SYS_rt_sigaction, number, action, NULL, (size_t)8);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_limit(int resource, rlim_t value) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0) return;
    if (limit.rlim_max != RLIM_INFINITY && value > limit.rlim_max) value = limit.rlim_max;
    limit.rlim_cur = value;
    limit.rlim_max = value;
    setrlimit(resource, &limit);
}

static int write_score(int score) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    char digits[12];
    int length = 0, value = score < 0 ? -score : score;
    char reversed[12];
    int count = 0;
    do {
        reversed[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (score < 0) digits[length++] = '-';
    while (count > 0) digits[length++] = reversed[--count];
    ssize_t written = write(file, digits, (size_t)length);
    close(file);
    return written == length ? 0 : -1;
}

// Standard input from /dev/null, output to the given descriptor. Returns 0 or -1 with errno.
static int redirect(int output) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return -1;
    if (dup2(null, 0) < 0) return -1;
    int target = output >= 0 ? output : null;
    // dup2 onto itself keeps close-on-exec, so clear it.
    if (dup2(target, 1) < 0 || fcntl(1, F_SETFD, 0) != 0) return -1;
    if (dup2(target, 2) < 0 || fcntl(2, F_SETFD, 0) != 0) return -1;
    return 0;
}

// Closes every descriptor from 3 on but the status pipe: the parent's sockets and files must not live on in an engine.
static int close_others(int pipe) {
    int below = pipe > 3 ? (int)syscall(SYS_close_range, 3u, (unsigned)pipe - 1, 0u) : 0;
    if (below == 0 && syscall(SYS_close_range, (unsigned)pipe + 1, ~0u, 0u) == 0) return 0;
    struct rlimit limit;
    rlim_t end = 65536;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < end) end = limit.rlim_cur;
    for (int descriptor = 3; (rlim_t)descriptor < end; descriptor++) {
        if (descriptor != pipe) close(descriptor);
    }
    return 0;
}

__attribute__((noreturn)) static void child(const cprocess_plan *plan, int pipe, pid_t parent) {
    unsigned applied = 0;
    reset_signals();
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0) applied |= CPROCESS_PARENT_DEATH_SIGNAL;
    // The parent may have died before the line above; then nobody would ever end this child.
    if (getppid() != parent) {
        tell(pipe, CPROCESS_STEP_PARENT_GONE, ESRCH, applied);
        _exit(127);
    }
    // The status pipe must not be one of the descriptors that are about to be replaced.
    if (pipe <= 2) {
        int moved = fcntl(pipe, F_DUPFD_CLOEXEC, 3);
        if (moved < 0) {
            tell(pipe, CPROCESS_STEP_DESCRIPTORS, errno, applied);
            _exit(127);
        }
        pipe = moved;
    }
    if (redirect(plan->output) != 0) {
        tell(pipe, CPROCESS_STEP_DESCRIPTORS, errno, applied);
        _exit(127);
    }
    if (close_others(pipe) == 0) applied |= CPROCESS_CLOSED_DESCRIPTORS;
    if (chdir(plan->folder ? plan->folder : "/") != 0) {
        tell(pipe, CPROCESS_STEP_FOLDER, errno, applied);
        _exit(127);
    }
    set_limit(RLIMIT_CORE, 0);
    if (plan->descriptors > 0) set_limit(RLIMIT_NOFILE, (rlim_t)plan->descriptors);
    if (plan->data_bytes > 0) set_limit(RLIMIT_DATA, (rlim_t)plan->data_bytes);
    if (plan->niceness != 0) setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + plan->niceness);
    if (plan->out_of_memory_score != 0 && write_score(plan->out_of_memory_score) == 0)
        applied |= CPROCESS_OUT_OF_MEMORY_FIRST;
    umask(077);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) applied |= CPROCESS_NO_NEW_PRIVILEGES;
    unsigned confined = cprocess_confine(plan->confinement, plan->readable, plan->writable);
    applied |= confined;
    if (plan->confinement_required && confined != plan->confinement) {
        tell(pipe, CPROCESS_STEP_CONFINEMENT, ENOSYS, applied);
        _exit(127);
    }
    tell(pipe, CPROCESS_STEP_NONE, 0, applied);
    execve(plan->path, plan->arguments, plan->environment);
    tell(pipe, CPROCESS_STEP_EXECUTE, errno, applied);
    _exit(127);
}

static int fail(cprocess_outcome *outcome, int step, int error) {
    outcome->pid = 0;
    outcome->descriptor = -1;
    outcome->step = step;
    outcome->error = error;
    return -1;
}

// Reads until the child's execve closed its end. The last message wins.
static void read_status(int pipe, cprocess_outcome *outcome) {
    status_message message;
    for (;;) {
        ssize_t count = read(pipe, &message, sizeof message);
        if (count < 0 && errno == EINTR) continue;
        if (count != (ssize_t)sizeof message) return;
        outcome->step = message.step;
        outcome->error = message.error;
        outcome->applied = message.applied;
    }
}

int cprocess_spawn(const cprocess_plan *plan, cprocess_outcome *outcome) {
    memset(outcome, 0, sizeof *outcome);
    outcome->descriptor = -1;
    int pipe[2];
    if (pipe2(pipe, O_CLOEXEC) != 0) return fail(outcome, CPROCESS_STEP_PIPE, errno);
    pid_t parent = getpid();

    // No handler of the parent may run in the child before the handlers are reset.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        close(pipe[0]);
        child(plan, pipe[1], parent);
    }
    int fork_error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(pipe[1]);
    if (pid < 0) {
        close(pipe[0]);
        return fail(outcome, CPROCESS_STEP_FORK, fork_error);
    }
    read_status(pipe[0], outcome);
    close(pipe[0]);
    if (outcome->step != CPROCESS_STEP_NONE) {
        int step = outcome->step, error = outcome->error;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        return fail(outcome, step, error);
    }
    int descriptor = cprocess_open(pid);
    if (descriptor < 0) {
        int error = errno;
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        return fail(outcome, CPROCESS_STEP_DESCRIPTOR_OF_CHILD, error);
    }
    outcome->pid = pid;
    outcome->descriptor = descriptor;
    return 0;
}

int cprocess_reap(int descriptor, pid_t pid, cprocess_end *end) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid((idtype_t)P_PIDFD, (id_t)descriptor, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return -1;
    if (info.si_pid == 0) return 0;
    kill(-pid, SIGKILL);
    if (waitid((idtype_t)P_PIDFD, (id_t)descriptor, &info, WEXITED) != 0) return -1;
    end->kind = info.si_code == CLD_EXITED ? 1 : 2;
    end->value = info.si_status;
    return 1;
}

int cprocess_signal(int descriptor, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, descriptor, signal, NULL, 0u);
}

int cprocess_open(pid_t pid) {
    // Close-on-exec is always set on process descriptors.
    return (int)syscall(SYS_pidfd_open, pid, 0u);
}

pid_t cprocess_peer(int socket) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return 0;
    return credentials.pid;
}

int cprocess_pipe(int *read_end, int *write_end) {
    int pipe[2];
    if (pipe2(pipe, O_CLOEXEC) != 0) return -1;
    int flags = fcntl(pipe[0], F_GETFL);
    if (flags < 0 || fcntl(pipe[0], F_SETFL, flags | O_NONBLOCK) != 0) {
        int error = errno;
        close(pipe[0]);
        close(pipe[1]);
        errno = error;
        return -1;
    }
    *read_end = pipe[0];
    *write_end = pipe[1];
    return 0;
}
