#define _GNU_SOURCE
#include "CProcess.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// linux/ioprio.h, which older headers lack.
enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_BEST_EFFORT = 2, IOPRIO_CLASS_SHIFT = 13, IOPRIO_LEAST = 7 };

void martlet_give_way(int niceness, const char *name) {
    prctl(PR_SET_NAME, name, 0, 0, 0);
    // On Linux both are of the calling thread, not of the process.
    setpriority(PRIO_PROCESS, 0, niceness);
    if (niceness <= 0) return;
    // Not the idle class: under a disk that is never idle nothing would ever be fetched.
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_BEST_EFFORT << IOPRIO_CLASS_SHIFT | IOPRIO_LEAST);
}
