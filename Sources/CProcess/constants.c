#define _GNU_SOURCE
#include "constants.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// The program's file, as it is on the disk. Nobody can write to it while it runs.
struct image {
    const unsigned char *bytes;
    size_t size;
};

static int map_program(struct image *image) {
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    struct stat about;
    void *bytes = MAP_FAILED;
    if (fstat(file, &about) == 0 && about.st_size > 0) {
        bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        image->size = (size_t)about.st_size;
    }
    close(file);
    image->bytes = bytes;
    return bytes != MAP_FAILED;
}

// That many bytes of the file from there; null where it has none.
static const void *part(const struct image *image, uint64_t offset, uint64_t size) {
    if (size > image->size || offset > image->size - size) return NULL;
    return image->bytes + offset;
}

// The section of constants, where the linker left it writable. Source: System V ABI, chapter 4, "Sections".
static const ElfW(Shdr) *writable_constants(const struct image *image) {
    const ElfW(Ehdr) *head = part(image, 0, sizeof *head);
    if (!head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_shentsize != sizeof(ElfW(Shdr))) return NULL;
    const ElfW(Shdr) *sections = part(image, head->e_shoff, (uint64_t)head->e_shnum * sizeof *sections);
    if (!sections || head->e_shstrndx >= head->e_shnum) return NULL;
    const ElfW(Shdr) *names = &sections[head->e_shstrndx];
    static const char wanted[] = ".rodata";
    for (int index = 0; index < head->e_shnum; index++) {
        const ElfW(Shdr) *section = &sections[index];
        const char *name = part(image, names->sh_offset + section->sh_name, sizeof wanted);
        if (!name || memcmp(name, wanted, sizeof wanted) != 0) continue;
        int is_left_writable = section->sh_type == SHT_PROGBITS && (section->sh_flags & SHF_WRITE) != 0;
        return is_left_writable && part(image, section->sh_offset, section->sh_size) ? section : NULL;
    }
    return NULL;
}

// The program comes first.
static int note_program(struct dl_phdr_info *object, size_t size, void *base) {
    (void)size;
    *(uintptr_t *)base = object->dlpi_addr;
    return 1;
}

static void add(struct sealed_constants *sealed, uintptr_t start, uintptr_t end) {
    if (start >= end || sealed->count == SEALED_RUNS) return;
    if (mprotect((void *)start, end - start, PROT_READ) != 0) return;
    sealed->runs[sealed->count].start = start;
    sealed->runs[sealed->count].end = end;
    sealed->count++;
}

void seal_constants(struct sealed_constants *sealed) {
    struct image image;
    sealed->count = 0;
    if (!map_program(&image)) return;
    const ElfW(Shdr) *section = writable_constants(&image);
    if (section) {
        uintptr_t base = 0;
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        dl_iterate_phdr(note_program, &base);
        uintptr_t first = base + section->sh_addr;
        uintptr_t end = (first + section->sh_size) & ~(page - 1);
        uintptr_t run = (first + page - 1) & ~(page - 1);
        const unsigned char *file = image.bytes + section->sh_offset;
        for (uintptr_t at = run; at < end; at += page) {
            if (memcmp((void *)at, file + (at - first), page) == 0) continue;
            // Somebody wrote there: it is no copy of the file, and stays.
            add(sealed, run, at);
            run = at + page;
        }
        add(sealed, run, end);
    }
    munmap((void *)image.bytes, image.size);
}
