// A program whose constants lie among its writable data, as Swift's runtime has them, with something in their midst that is
// written to. Prints what became of them when memory was let go of.
#include "CProcess.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

// The largest page of any processor that we run on.
#define PLACED __attribute__((section(".rodata"), aligned(65536)))
enum { SIZE = 4 * 65536 };

PLACED unsigned char before[SIZE] = {[0 ... SIZE - 1] = 7};
PLACED unsigned char written[65536] = {[0 ... 65535] = 1};
PLACED unsigned char after[SIZE] = {[0 ... SIZE - 1] = 9};

// Whether any page of it is in memory. Source: the kernel's documentation of /proc/PID/pagemap, bit 63.
static int is_present(const unsigned char *start) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    int file = open("/proc/self/pagemap", O_RDONLY);
    int found = 0;
    for (uintptr_t at = (uintptr_t)start; at < (uintptr_t)start + SIZE; at += page) {
        uint64_t entry = 0;
        if (pread(file, &entry, sizeof entry, (off_t)(at / page * sizeof entry)) != sizeof entry) return -1;
        found |= (int)(entry >> 63);
    }
    close(file);
    return found;
}

static int all_are(const volatile unsigned char *start, unsigned char value) {
    for (int index = 0; index < SIZE; index++) {
        if (start[index] != value) return 0;
    }
    return 1;
}

int main(void) {
    written[5000] = 42;
    printf("whole %d %d\n", all_are(before, 7), all_are(after, 9));
    printf("present %d %d\n", is_present(before), is_present(after));
    printf("released %d\n", martlet_release_memory());
    printf("present %d %d\n", is_present(before), is_present(after));
    printf("whole %d %d written %d\n", all_are(before, 7), all_are(after, 9), written[5000]);
    written[5000] = 43;
    printf("released %d written %d\n", martlet_release_memory(), written[5000]);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        before[3] = 8;
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    printf("signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return 0;
}
