// A disk that loses power, and one that is full or broken, under a real program: the account of what is not on it yet.
//
// Every change below POWERLOSS_ROOT goes through to the real file system at once, and how to take it back is kept until
// it is synchronised: a file's bytes by fsync or fdatasync of the file, a folder's entries by fsync of the folder. At
// the cut everything that nobody waited for is taken back (all of it, or a random part, the last write torn), and the
// process is killed, all under one lock that every change needs. What is mapped (SQLite's -shm, rebuilt at each start)
// and what is below `run` (in memory on a real box) is left alone. Children that the program starts are not touched.
//
// POWERLOSS_CONTROL is a file of 64-bit numbers that both sides map; their places are the enumeration below.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    CHANGES,       // all changes so far
    STEPS,         // synchronisations of the journal's log so far: each is one journaled step
    CUT_AT_CHANGE, // cut before this change
    CUT_AT_STEP,   // cut after this step is on the disk
    CUT_IN_STEP,   // cut before this step is on the disk
    CUT_NOW,
    KEEP_SOME,     // a random part of what was not synchronised stays, as on a disk that had written some of it
    SEED,
    GROWTHS,       // changes that take room so far
    FAIL_FROM,     // from this growth on
    FAIL_COUNT,    // so many fail
    FAIL_ERRNO,
    READS,         // reads so far
    BAD_FROM,      // from this read on
    BAD_COUNT,     // so many give EIO
    MET,           // faults met, and 1 more for the cut
    FIELDS
};

static volatile int64_t *control;
static char root[PATH_MAX], scratch[PATH_MAX];
static size_t root_length;
static pid_t owner;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long backups;
static __thread int is_cutting; // this thread's own calls go straight through

// MARK: What was not synchronised

struct piece {
    off_t offset;
    size_t length;
    size_t known; // bytes of `before`
    char *before;
    struct piece *earlier;
};

struct file {
    dev_t device;
    ino_t inode;
    int descriptor;
    off_t size; // on the disk
    struct piece *pieces;
    struct file *next;
};

enum kind { MADE, MOVED, REMOVED };

struct entry {
    enum kind kind;
    char *path;   // where it stands now
    char *source; // where it stood before it was moved
    char *backup; // what was at `path` before; "" where it was a folder, "@…" where it was a link
    struct entry *earlier;
};

static struct file *files;
static struct entry *entries;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int is_ours(const char *path) {
    return !is_cutting && owner == getpid() && path && strncmp(path, root, root_length) == 0 && path[root_length] == '/'
        && strncmp(path + root_length, "/run", 4) != 0;
}

static int path_of(int descriptor, char *path) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    ssize_t count = readlink(name, path, PATH_MAX - 1);
    if (count <= 0) return 0;
    path[count] = 0;
    return is_ours(path);
}

static int is_our_descriptor(int descriptor) {
    char path[PATH_MAX];
    return !is_cutting && owner == getpid() && path_of(descriptor, path);
}

static int ends_with(const char *path, const char *suffix) {
    size_t a = strlen(path), b = strlen(suffix);
    return a >= b && strcmp(path + a - b, suffix) == 0;
}

static uint64_t chance(void) {
    uint64_t value = (uint64_t)control[SEED] + 0x9e3779b97f4a7c15u;
    control[SEED] = (int64_t)value;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static void take_back_file(struct file *file) {
    for (struct piece *piece = file->pieces; piece; piece = piece->earlier) {
        if (control[KEEP_SOME] && chance() % 2) continue;
        size_t from = control[KEEP_SOME] && piece->known ? chance() % piece->known : 0;
        if (piece->known > from) {
            (void)!pwrite64(file->descriptor, piece->before + from, piece->known - from, piece->offset + (off_t)from);
        }
    }
    struct stat status;
    if (fstat(file->descriptor, &status) != 0 || status.st_size <= file->size) return;
    off_t grown = status.st_size - file->size;
    off_t kept = control[KEEP_SOME] ? (off_t)(chance() % ((uint64_t)grown + 1)) : 0;
    (void)!ftruncate(file->descriptor, file->size + kept);
    if (kept > 16 && chance() % 2) {
        // Room was given, and the bytes never came.
        char nothing[4096] = {0};
        off_t hole = (off_t)(chance() % (uint64_t)kept);
        size_t length = (size_t)(kept - hole) < sizeof nothing ? (size_t)(kept - hole) : sizeof nothing;
        (void)!pwrite64(file->descriptor, nothing, length, file->size + hole);
    }
}

static void remove_tree(const char *path) {
    DIR *folder = opendir(path);
    if (folder) {
        for (struct dirent *entry; (entry = readdir(folder));) {
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
            char inner[PATH_MAX * 2];
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
            remove_tree(inner);
        }
        closedir(folder);
        REAL(rmdir);
        real(path);
        return;
    }
    REAL(unlink);
    real(path);
}

static void restore(const char *backup, const char *path) {
    if (!backup) return;
    if (!*backup) { REAL(mkdir); real(path, 0755); }
    else if (*backup == '@') { REAL(symlink); real(backup + 1, path); }
    else { (void)!link(backup, path); }
}

static void cut(void) __attribute__((noreturn));
static void cut(void) {
    int count = 0, kept = 0;
    is_cutting = 1;
    for (struct entry *entry = entries; entry; entry = entry->earlier) count++;
    if (control[KEEP_SOME] && count) kept = (int)(chance() % (uint64_t)(count + 1));
    for (struct file *file = files; file; file = file->next) take_back_file(file);
    for (struct entry *entry = entries; entry && count > kept; entry = entry->earlier, count--) {
        switch (entry->kind) {
        case MADE: remove_tree(entry->path); break;
        case MOVED: {
            REAL(rename);
            real(entry->path, entry->source);
            restore(entry->backup, entry->path);
            break;
        }
        case REMOVED: restore(entry->backup, entry->path); break;
        }
    }
    control[MET]++;
    kill(owner, SIGKILL);
    for (;;) pause();
}

// MARK: Keeping account

static struct file *file_of(int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return NULL;
    for (struct file *file = files; file; file = file->next) {
        if (file->device == status.st_dev && file->inode == status.st_ino) return file;
    }
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    REAL(open);
    int own = real(name, O_RDWR | O_CLOEXEC);
    if (own < 0) return NULL;
    struct file *file = calloc(1, sizeof *file);
    file->device = status.st_dev;
    file->inode = status.st_ino;
    file->descriptor = own;
    file->size = status.st_size;
    file->next = files;
    files = file;
    return file;
}

static void will_write(int descriptor, off_t offset, size_t length) {
    struct file *file = file_of(descriptor);
    struct stat status;
    if (!file || fstat(descriptor, &status) != 0 || offset >= file->size) return;
    struct piece *piece = calloc(1, sizeof *piece);
    piece->offset = offset;
    piece->length = length;
    piece->known = (off_t)length > status.st_size - offset ? (size_t)(status.st_size - offset) : length;
    piece->before = malloc(piece->known ? piece->known : 1);
    ssize_t count = pread64(file->descriptor, piece->before, piece->known, offset);
    piece->known = count > 0 ? (size_t)count : 0;
    piece->earlier = file->pieces;
    file->pieces = piece;
}

static void did_synchronize_file(int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) return;
    for (struct file **place = &files; *place; place = &(*place)->next) {
        struct file *file = *place;
        if (file->device != status.st_dev || file->inode != status.st_ino) continue;
        *place = file->next;
        for (struct piece *piece = file->pieces; piece;) {
            struct piece *earlier = piece->earlier;
            free(piece->before);
            free(piece);
            piece = earlier;
        }
        close(file->descriptor);
        free(file);
        return;
    }
}

static void note(enum kind kind, const char *path, const char *source, char *backup) {
    struct entry *entry = calloc(1, sizeof *entry);
    entry->kind = kind;
    entry->path = strdup(path);
    entry->source = source ? strdup(source) : NULL;
    entry->backup = backup;
    entry->earlier = entries;
    entries = entry;
}

/// What stands at a path, kept so that it can be put back; NULL where nothing does.
static char *keep(const char *path) {
    struct stat status;
    if (lstat(path, &status) != 0) return NULL;
    char text[PATH_MAX + 64];
    if (S_ISDIR(status.st_mode)) return strdup("");
    if (S_ISLNK(status.st_mode)) {
        ssize_t count = readlink(path, text + 1, PATH_MAX - 1);
        if (count < 0) return NULL;
        text[0] = '@';
        text[count + 1] = 0;
        return strdup(text);
    }
    snprintf(text, sizeof text, "%s/%d-%lu", scratch, owner, ++backups);
    return link(path, text) == 0 ? strdup(text) : NULL;
}

static int is_in(const char *path, const char *folder) {
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash && (size_t)(slash - path) == strlen(folder) && strncmp(path, folder, strlen(folder)) == 0;
}

static void moved(char **path, const char *source, const char *target) {
    size_t length = strlen(source);
    if (!*path || strncmp(*path, source, length) != 0 || ((*path)[length] != '/' && (*path)[length] != 0)) return;
    char next[PATH_MAX * 2];
    snprintf(next, sizeof next, "%s%s", target, *path + length);
    free(*path);
    *path = strdup(next);
}

/// The folder's entries are on the disk: moving between folders is one change, kept by either.
static void did_synchronize_folder(const char *folder) {
    for (struct entry **place = &entries; *place;) {
        struct entry *entry = *place;
        if (is_in(entry->path, folder) || is_in(entry->source, folder)) {
            *place = entry->earlier;
            // What was moved is on the disk under its new name, so that it was made is too.
            if (entry->kind == MOVED) {
                for (struct entry **made = place; *made;) {
                    struct entry *older = *made;
                    if (older->kind == MADE && strcmp(older->path, entry->source) == 0) *made = older->earlier;
                    else made = &older->earlier;
                }
                for (struct entry *older = *place; older; older = older->earlier) {
                    moved(&older->path, entry->source, entry->path);
                }
            }
        } else {
            place = &entry->earlier;
        }
    }
}

/// Counts a change, under the lock; an error number where it is to fail.
static int begin(int grows) {
    control[CHANGES]++;
    if (control[CUT_NOW] || control[CHANGES] == control[CUT_AT_CHANGE]) cut();
    if (!grows) return 0;
    control[GROWTHS]++;
    int64_t from = control[FAIL_FROM];
    if (!from || control[GROWTHS] < from || control[GROWTHS] >= from + control[FAIL_COUNT]) return 0;
    control[MET]++;
    return (int)control[FAIL_ERRNO];
}

static int is_bad_read(void) {
    if (!control) return 0;
    int64_t number = __sync_add_and_fetch(&control[READS], 1), from = control[BAD_FROM];
    if (!from || number < from || number >= from + control[BAD_COUNT]) return 0;
    __sync_add_and_fetch(&control[MET], 1);
    return 1;
}

static int leave(int result) {
    int number = errno;
    pthread_mutex_unlock(&lock);
    errno = number;
    return result;
}

#define FAILING(grows) \
    pthread_mutex_lock(&lock); \
    int trouble = begin(grows); \
    if (trouble) { errno = trouble; return leave(-1); }
