// Starting and watching child processes on Linux, for a parent that has threads.
//
// Between fork and execve only async-signal-safe calls are made: a lock that another thread held at the
// moment of the fork would never be released in the child.
#ifndef MARTLET_CPROCESS_H
#define MARTLET_CPROCESS_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What was asked of, or applied to, a child. `applied` in the outcome holds the bits that took effect.
enum {
    CPROCESS_PARENT_DEATH_SIGNAL = 1 << 0,
    CPROCESS_NO_NEW_PRIVILEGES = 1 << 1,
    CPROCESS_LANDLOCK = 1 << 2,
    CPROCESS_SECCOMP = 1 << 3,
    CPROCESS_CLOSED_DESCRIPTORS = 1 << 4,
    CPROCESS_OUT_OF_MEMORY_FIRST = 1 << 5,
    /// With CPROCESS_LANDLOCK: symbolic links may be made in writable folders.
    CPROCESS_LINKS = 1 << 6,
};

/// The step at which starting a child failed.
enum {
    CPROCESS_STEP_NONE = 0,
    CPROCESS_STEP_PIPE = 1,
    CPROCESS_STEP_FORK = 2,
    CPROCESS_STEP_PARENT_GONE = 3,
    CPROCESS_STEP_DESCRIPTORS = 4,
    CPROCESS_STEP_FOLDER = 5,
    CPROCESS_STEP_CONFINEMENT = 6,
    CPROCESS_STEP_EXECUTE = 7,
    CPROCESS_STEP_DESCRIPTOR_OF_CHILD = 8,
};

/// What to start and how. All strings and arrays must stay valid until `cprocess_spawn` returns.
typedef struct {
    /// The executable; no search in PATH.
    const char *path;
    /// NULL-terminated.
    char *const *arguments;
    /// NULL-terminated; nothing of the parent's environment is passed on.
    char *const *environment;
    /// Folder to start in; NULL is `/`.
    const char *folder;
    /// Becomes standard output and standard error; -1 is /dev/null.
    int output;
    /// Most open descriptors (RLIMIT_NOFILE); 0 leaves the limit as it is.
    uint64_t descriptors;
    /// Most memory that it may write to, in bytes (RLIMIT_DATA); 0 leaves the limit as it is.
    uint64_t data_bytes;
    /// Added to the niceness; 0 leaves it.
    int niceness;
    /// Written to /proc/self/oom_score_adj so that the kernel ends the child before its parent; 0 leaves it.
    int out_of_memory_score;
    /// CPROCESS_LANDLOCK and CPROCESS_SECCOMP: which confinement to try.
    unsigned confinement;
    /// Fail the start when a wanted confinement cannot be applied; 0 starts all the same and says so in `applied`.
    int confinement_required;
    /// Files and folders that may be read and executed, NULL-terminated; those that do not exist are passed over.
    const char *const *readable;
    /// Files and folders that may be read, written, and in which files and sockets may be made, NULL-terminated.
    const char *const *writable;
} cprocess_plan;

/// What came of it.
typedef struct {
    /// The child; 0 where none was started.
    pid_t pid;
    /// A process descriptor of the child, close-on-exec; -1 where none was started.
    int descriptor;
    /// A `CPROCESS_STEP_…`.
    int step;
    /// errno at that step.
    int error;
    /// `CPROCESS_…` bits that took effect.
    unsigned applied;
} cprocess_outcome;

/// Starts a child and waits until its execve succeeded or failed. Returns 0, or -1 with `step` and `error` set and
/// no child left behind.
///
/// The child dies with the calling *thread* (that is what the parent-death signal follows), so call it from a thread
/// that lives as long as the process.
int cprocess_spawn(const cprocess_plan *plan, cprocess_outcome *outcome);

/// How a child ended.
typedef struct {
    /// 1 exited, 2 ended by a signal.
    int kind;
    /// Exit status or signal number.
    int value;
} cprocess_end;

/// Reaps an ended child. First kills what is left of its process group, whose number stays taken until then.
/// Returns 1 with `end` filled, 0 while it runs, -1 with errno.
int cprocess_reap(int descriptor, pid_t pid, cprocess_end *end);

/// Sends a signal by process descriptor: never to another process that got the number. Returns 0, or -1 with errno.
int cprocess_signal(int descriptor, int signal);

/// Limits the memory that a running child may write to (RLIMIT_DATA). Returns 0, or -1 with errno.
int cprocess_limit_data(pid_t pid, uint64_t bytes);

/// Whether systemd marked a control group as delegated (its extended attribute `delegate`).
int cprocess_is_delegated(const char *folder);

/// A process descriptor for a process that is not our child. Returns -1 with errno.
int cprocess_open(pid_t pid);

/// A close-on-exec, non-blocking-on-read pipe (glibc hides pipe2 from Swift). Returns 0, or -1 with errno.
int cprocess_pipe(int *read_end, int *write_end);

/// The process that listens at the other end of a connected UNIX socket (Swift does not see `struct ucred`). 0 where
/// the kernel does not tell.
pid_t cprocess_peer(int socket);

/// The Landlock ABI of the running kernel; 0 where it has none.
int cprocess_landlock_abi(void);

/// Makes the calling process a confined one, as in a child: irrevocable. Returns the applied bits.
unsigned cprocess_confine(unsigned wanted, const char *const *readable, const char *const *writable);

/// Keeps the heap of a process small that does little on many threads. Before the second thread is started.
void martlet_limit_heap(void);

/// Makes the calling thread give way to others: its niceness is set to this, and above 0 it comes last of those that want
/// the disk. For good: an unprivileged thread cannot take it back. The system shows it by `name`, of at most 15 bytes.
void martlet_give_way(int niceness, const char *name);

/// Whether the kernel takes its clock for right: some service corrected it of late. 1, 0, or -1 where it does not tell.
int cprocess_clock_is_synchronised(void);

#ifdef __cplusplus
}
#endif
/// Lets go of memory that only rare work needed: free heap, and pages of code and constants of the program and its
/// libraries. The latter are clean copies of their files and come back when they are used; most of what ran once at start
/// never is again, and would count as this process's memory for ever. Returns 0, or the errno of madvise.
int martlet_release_memory(void);

#endif
