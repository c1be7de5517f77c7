#define _GNU_SOURCE
#include "CProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Numbers and structures of Landlock are written here because the headers of Debian 12 know only its second version.
// They are the kernel's stable interface (Documentation/userspace-api/landlock.rst).
#define LANDLOCK_CREATE 444
#define LANDLOCK_ADD_RULE 445
#define LANDLOCK_RESTRICT_SELF 446
#define LANDLOCK_VERSION_FLAG 1u
#define LANDLOCK_PATH_BENEATH 1

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_ALL_ABI_1 ((1ULL << 13) - 1)
#define FS_REMOVE_DIR (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_DIR (1ULL << 7)
#define FS_MAKE_REG (1ULL << 8)
#define FS_MAKE_SOCK (1ULL << 9)
#define FS_MAKE_SYM (1ULL << 12)
#define FS_REFER (1ULL << 13)
#define FS_TRUNCATE (1ULL << 14)
#define FS_IOCTL_DEVICE (1ULL << 15)
#define NET_BIND_TCP (1ULL << 0)
#define NET_CONNECT_TCP (1ULL << 1)
#define SCOPE_ABSTRACT_SOCKET (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)

typedef struct {
    uint64_t files;
    uint64_t network;
    uint64_t scope;
} ruleset;

typedef struct {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed)) path_rule;

int cprocess_landlock_abi(void) {
    long abi = syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_VERSION_FLAG);
    return abi < 0 ? 0 : (int)abi;
}

static int allow(int rules, const char *path, uint64_t folder_rights, uint64_t file_rights) {
    int descriptor = open(path, O_PATH | O_CLOEXEC);
    if (descriptor < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    struct stat info;
    int result = -1;
    if (fstat(descriptor, &info) == 0) {
        path_rule rule = {S_ISDIR(info.st_mode) ? folder_rights : file_rights, descriptor};
        result = (int)syscall(LANDLOCK_ADD_RULE, rules, LANDLOCK_PATH_BENEATH, &rule, 0u);
    }
    close(descriptor);
    return result;
}

static int landlock(const char *const *readable, const char *const *writable, int may_link) {
    int abi = cprocess_landlock_abi();
    if (abi < 1) return -1;
    ruleset attributes = {FS_ALL_ABI_1, 0, 0};
    size_t size = sizeof attributes.files;
    if (abi >= 2) attributes.files |= FS_REFER;
    if (abi >= 3) attributes.files |= FS_TRUNCATE;
    if (abi >= 5) attributes.files |= FS_IOCTL_DEVICE;
    if (abi >= 4) {
        attributes.network = NET_BIND_TCP | NET_CONNECT_TCP;
        size = offsetof(ruleset, scope);
    }
    if (abi >= 6) {
        attributes.scope = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
        size = sizeof attributes;
    }
    int rules = (int)syscall(LANDLOCK_CREATE, &attributes, size, 0u);
    if (rules < 0) return -1;
    uint64_t read_file = FS_EXECUTE | FS_READ_FILE;
    uint64_t read_folder = read_file | FS_READ_DIR;
    uint64_t write_file = (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEVICE) & attributes.files;
    uint64_t write_folder = write_file | FS_READ_DIR | FS_REMOVE_FILE | FS_REMOVE_DIR;
    write_folder |= FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK;
    // Not for engines: the gateway follows the path of their socket.
    if (may_link) write_folder |= FS_MAKE_SYM;
    int failed = 0;
    for (const char *const *path = readable; path && *path; path++)
        failed |= allow(rules, *path, read_folder, read_file);
    for (const char *const *path = writable; path && *path; path++)
        failed |= allow(rules, *path, write_folder, write_file);
    if (!failed) failed = (int)syscall(LANDLOCK_RESTRICT_SELF, rules, 0u);
    close(rules);
    return failed ? -1 : 0;
}

#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

// The part of socket()'s second argument that is no flag.
#define SOCKET_TYPE 0xfu

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define REFUSE(number, error) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), RETURN(SECCOMP_RET_ERRNO | (error))

// Sockets of the UNIX family only, and none of the ways around that: no second system call table, no io_uring (which
// opens sockets without the socket call), no other process's memory. An engine listens and connects nowhere: Landlock
// does not guard the sockets of others, such as the agent's own, another slot's engine or the system's bus, on which
// root may have anything done. For the same reason there are none that send without connecting.
static int filter_system_calls(void) {
#ifndef NATIVE_ARCHITECTURE
    return -1;
#else
    struct sock_filter program[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCHITECTURE, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
#if defined(__x86_64__)
        // The x32 table shares the architecture value and sets this bit.
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1),
        RETURN(SECCOMP_RET_ERRNO | ENOSYS),
#endif
        REFUSE(425, ENOSYS),  // io_uring_setup
        REFUSE(426, ENOSYS),  // io_uring_enter
        REFUSE(427, ENOSYS),  // io_uring_register
        REFUSE(SYS_ptrace, EPERM),
        REFUSE(SYS_process_vm_readv, EPERM),
        REFUSE(SYS_process_vm_writev, EPERM),
        REFUSE(SYS_bpf, EPERM),
        REFUSE(SYS_mount, EPERM),
        REFUSE(SYS_umount2, EPERM),
        REFUSE(SYS_pivot_root, EPERM),
        REFUSE(SYS_unshare, EPERM),
        REFUSE(SYS_setns, EPERM),
        REFUSE(SYS_init_module, EPERM),
        REFUSE(SYS_finit_module, EPERM),
        REFUSE(SYS_kexec_load, EPERM),
        REFUSE(SYS_reboot, EPERM),
        REFUSE(SYS_keyctl, EPERM),
        REFUSE(SYS_add_key, EPERM),
        REFUSE(SYS_request_key, EPERM),
        REFUSE(SYS_connect, EACCES),
        // socket and socketpair: family and type are the first arguments, ints in the low half on little-endian
        // machines. The kernel makes a raw UNIX socket one of datagrams, so what is allowed is named.
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 1, 0),
        RETURN(SECCOMP_RET_ALLOW),
        LOAD(args[0]),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
        RETURN(SECCOMP_RET_ERRNO | EAFNOSUPPORT),
        LOAD(args[1]),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SOCKET_TYPE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_SEQPACKET, 0, 1),
        RETURN(SECCOMP_RET_ALLOW),
        RETURN(SECCOMP_RET_ERRNO | ESOCKTNOSUPPORT),
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
#endif
}

// An engine of root's keeps none of root's powers, some of which reach around Landlock: by CAP_PERFMON another process's
// environment is read. That of opening files whatever their modes stays, since Landlock says which; without it an agent
// that root started could not serve what another user keeps.
static void drop_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) != 0) return;
    for (int index = 0; index < _LINUX_CAPABILITY_U32S_3; index++) {
        data[index].permitted &= index == 0 ? 1u << CAP_DAC_OVERRIDE : 0;
        data[index].effective &= data[index].permitted;
        data[index].inheritable = 0;
    }
    syscall(SYS_capset, &header, data);
}

unsigned cprocess_confine(unsigned wanted, const char *const *readable, const char *const *writable) {
    unsigned applied = 0;
    // Neither can be had by a process that could gain privileges.
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if ((wanted & CPROCESS_LANDLOCK) && landlock(readable, writable, (wanted & CPROCESS_LINKS) != 0) == 0)
        applied |= CPROCESS_LANDLOCK | (wanted & CPROCESS_LINKS);
    if ((wanted & CPROCESS_SECCOMP) && filter_system_calls() == 0) applied |= CPROCESS_SECCOMP;
    // Without privileges to gain, the program that follows has no more than what is left.
    if (wanted != 0) drop_capabilities();
    return applied;
}
