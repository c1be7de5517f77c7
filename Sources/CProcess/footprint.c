#define _GNU_SOURCE
#include "CProcess.h"
#include "constants.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// Whether the loader wrote into this object's code: such pages are no copies of its file and must stay.
static int has_text_relocations(const struct dl_phdr_info *object) {
    for (int index = 0; index < object->dlpi_phnum; index++) {
        if (object->dlpi_phdr[index].p_type != PT_DYNAMIC) continue;
        const ElfW(Dyn) *entry = (const ElfW(Dyn) *)(object->dlpi_addr + object->dlpi_phdr[index].p_vaddr);
        for (; entry->d_tag != DT_NULL; entry++) {
            if (entry->d_tag == DT_TEXTREL) return 1;
            if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL)) return 1;
        }
    }
    return 0;
}

// The program comes first, then its libraries and the kernel's own object, which has no file and refuses.
static int release_object(struct dl_phdr_info *object, size_t size, void *context) {
    (void)size;
    int *state = context;
    int is_program = state[0]++ == 0;
    if (has_text_relocations(object)) return 0;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
        uintptr_t start = object->dlpi_addr + segment->p_vaddr;
        uintptr_t end = (start + segment->p_memsz + page - 1) & ~(page - 1);
        start &= ~(page - 1);
        if (madvise((void *)start, end - start, MADV_DONTNEED) != 0 && is_program) state[1] = errno;
    }
    return 0;
}

void martlet_limit_heap(void) {
    // Each further arena keeps what its thread let go of; a process that idles has no contention to avoid.
    mallopt(M_ARENA_MAX, 2);
    // Set, they stay: else a large buffer, once let go of, has later ones come from the heap, where they leave holes.
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
}

static struct sealed_constants constants;
static pthread_once_t sealing = PTHREAD_ONCE_INIT;

static void seal(void) { seal_constants(&constants); }

int martlet_release_memory(void) {
    int state[2] = {0, 0};
    malloc_trim(0);
    dl_iterate_phdr(release_object, state);
    pthread_once(&sealing, seal);
    for (int index = 0; index < constants.count; index++) {
        uintptr_t start = constants.runs[index].start;
        madvise((void *)start, constants.runs[index].end - start, MADV_DONTNEED);
    }
    return state[1];
}
