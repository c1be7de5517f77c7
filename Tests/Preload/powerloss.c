// The system's calls that change files, for a program whose disk loses power, is full or is broken: see the account.
//
// Preloaded into the agent by tests. Each call below goes through to the real one; what it changed is put down first.

#include "powerloss-account.h"

// MARK: The system's calls

static int open_with(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    struct stat status;
    if (!is_ours(path) || !(flags & O_CREAT) || lstat(path, &status) == 0) {
        if (!is_ours(path) || !(flags & O_TRUNC)) return real(path, flags, mode);
        pthread_mutex_lock(&lock);
        begin(0);
        int opened = real(path, flags & ~O_TRUNC, mode);
        if (opened >= 0) {
            if (fstat(opened, &status) == 0) will_write(opened, 0, (size_t)status.st_size);
            (void)!ftruncate(opened, 0);
        }
        return leave(opened);
    }
    FAILING(1)
    int opened = real(path, flags, mode);
    if (opened >= 0) note(MADE, path, NULL, NULL);
    return leave(opened);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        return open_with(real, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

static ssize_t writing(int descriptor, const struct iovec *parts, int count, off_t offset) {
    static ssize_t (*real)(int, const struct iovec *, int, off_t);
    static ssize_t (*plain)(int, const struct iovec *, int);
    if (!real) real = (ssize_t (*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, "pwritev64");
    if (!plain) plain = (ssize_t (*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
    if (!is_our_descriptor(descriptor)) return offset < 0 ? plain(descriptor, parts, count)
                                                          : real(descriptor, parts, count, offset);
    pthread_mutex_lock(&lock);
    int trouble = begin(1);
    size_t length = 0;
    for (int index = 0; index < count; index++) length += parts[index].iov_len;
    off_t start = offset;
    if (start < 0) {
        struct stat status;
        start = lseek64(descriptor, 0, SEEK_CUR);
        if ((fcntl(descriptor, F_GETFL) & O_APPEND) && fstat(descriptor, &status) == 0) start = status.st_size;
    }
    if (start >= 0) will_write(descriptor, start, length);
    if (trouble) {
        // A disk that fills up takes the beginning.
        struct iovec half = {parts[0].iov_base, parts[0].iov_len / 2};
        if (half.iov_len) { if (offset < 0) plain(descriptor, &half, 1); else real(descriptor, &half, 1, offset); }
        errno = trouble;
        return leave(-1);
    }
    ssize_t written = offset < 0 ? plain(descriptor, parts, count) : real(descriptor, parts, count, offset);
    leave(0);
    return written;
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    REAL(write);
    if (!is_our_descriptor(descriptor)) return real(descriptor, bytes, length);
    struct iovec part = {(void *)bytes, length};
    return writing(descriptor, &part, 1, -1);
}

#define PWRITE(name, offset_type) \
    ssize_t name(int descriptor, const void *bytes, size_t length, offset_type offset) { \
        REAL(name); \
        if (!is_our_descriptor(descriptor)) return real(descriptor, bytes, length, offset); \
        struct iovec part = {(void *)bytes, length}; \
        return writing(descriptor, &part, 1, offset); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    REAL(writev);
    return is_our_descriptor(descriptor) ? writing(descriptor, parts, count, -1) : real(descriptor, parts, count);
}

#define TRUNCATE(name, offset_type) \
    int name(int descriptor, offset_type length) { \
        REAL(name); \
        struct stat status; \
        if (!is_our_descriptor(descriptor) || fstat(descriptor, &status) != 0) return real(descriptor, length); \
        FAILING(length > status.st_size) \
        if (length < status.st_size) will_write(descriptor, length, (size_t)(status.st_size - length)); \
        return leave(real(descriptor, length)); \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

static int synchronizing(int (*real)(int), int descriptor) {
    char path[PATH_MAX];
    if (owner != getpid() || !(path_of(descriptor, path) || strcmp(path, root) == 0)) return real(descriptor);
    pthread_mutex_lock(&lock);
    begin(0);
    int is_step = ends_with(path, "/journal.sqlite-wal");
    if (is_step && ++control[STEPS] == control[CUT_IN_STEP]) cut();
    int result = real(descriptor);
    if (result == 0) {
        struct stat status;
        if (fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) did_synchronize_folder(path);
        else did_synchronize_file(descriptor);
    }
    if (is_step && control[STEPS] == control[CUT_AT_STEP]) cut();
    return leave(result);
}

int fsync(int descriptor) { REAL(fsync); return synchronizing(real, descriptor); }
int fdatasync(int descriptor) { REAL(fdatasync); return synchronizing(real, descriptor); }

int rename(const char *source, const char *target) {
    REAL(rename);
    if (!is_ours(target)) return real(source, target);
    FAILING(1)
    char *backup = keep(target);
    int result = real(source, target);
    if (result == 0) {
        for (struct entry *entry = entries; entry; entry = entry->earlier) {
            struct stat status;
            if (lstat(target, &status) == 0 && S_ISDIR(status.st_mode)) moved(&entry->path, source, target);
        }
        note(MOVED, target, source, backup);
    }
    return leave(result);
}

#define REMOVE(name) \
    int name(const char *path) { \
        REAL(name); \
        struct stat status; \
        if (!is_ours(path) || lstat(path, &status) != 0) return real(path); \
        pthread_mutex_lock(&lock); \
        begin(0); \
        char *backup = keep(path); \
        int result = real(path); \
        if (result == 0) note(REMOVED, path, NULL, backup); \
        return leave(result); \
    }
REMOVE(unlink)
REMOVE(rmdir)
REMOVE(remove)

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    struct stat status;
    if (!is_ours(path) || lstat(path, &status) == 0) return real(path, mode);
    FAILING(1)
    int result = real(path, mode);
    if (result == 0) note(MADE, path, NULL, NULL);
    return leave(result);
}

int symlink(const char *destination, const char *path) {
    REAL(symlink);
    if (!is_ours(path)) return real(destination, path);
    FAILING(1)
    int result = real(destination, path);
    if (result == 0) note(MADE, path, NULL, NULL);
    return leave(result);
}

ssize_t read(int descriptor, void *bytes, size_t length) {
    REAL(read);
    if (control && is_our_descriptor(descriptor) && is_bad_read()) { errno = EIO; return -1; }
    return real(descriptor, bytes, length);
}

#define PREAD(name, offset_type) \
    ssize_t name(int descriptor, void *bytes, size_t length, offset_type offset) { \
        REAL(name); \
        if (control && is_our_descriptor(descriptor) && is_bad_read()) { \
            errno = EIO; \
            return -1; \
        } \
        return real(descriptor, bytes, length, offset); \
    }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

static void *watch(void *unused) {
    for (;;) {
        usleep(500);
        if (control[CUT_NOW]) {
            pthread_mutex_lock(&lock);
            cut();
        }
    }
    return unused;
}

__attribute__((constructor)) static void start(void) {
    const char *folder = getenv("POWERLOSS_ROOT"), *aside = getenv("POWERLOSS_SCRATCH"),
               *numbers = getenv("POWERLOSS_CONTROL");
    unsetenv("LD_PRELOAD");
    if (!folder || !aside || !numbers || !realpath(folder, root) || !realpath(aside, scratch)) return;
    root_length = strlen(root);
    REAL(open64);
    int descriptor = real(numbers, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, FIELDS * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (mapped == MAP_FAILED) return;
    control = mapped;
    owner = getpid();
    pthread_t thread;
    if (pthread_create(&thread, NULL, watch, NULL) == 0) pthread_detach(thread);
}
