#define _GNU_SOURCE
#include "CProcess.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// The main program comes first; its executable segments are mapped from its file and never written.
static int release_code(struct dl_phdr_info *program, size_t size, void *result) {
    (void)size;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < program->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &program->dlpi_phdr[index];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) || (segment->p_flags & PF_W)) continue;
        uintptr_t start = program->dlpi_addr + segment->p_vaddr;
        uintptr_t end = (start + segment->p_memsz + page - 1) & ~(page - 1);
        start &= ~(page - 1);
        if (madvise((void *)start, end - start, MADV_DONTNEED) != 0) *(int *)result = errno;
    }
    return 1;
}

int martlet_release_code_pages(void) {
    int result = 0;
    dl_iterate_phdr(release_code, &result);
    return result;
}
