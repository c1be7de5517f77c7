internal import Glibc

/// Held while an agent uses a data folder; the kernel lets go of it when the process ends, however it ends.
package final class StoreLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock; throws `alreadyRunning` where another process has it.
    package init(layout: StoreLayout) throws(AgentStoreError) {
        let path = layout.lock
        var descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        // A disk that takes no writes lets the file be locked that an earlier agent made there.
        if descriptor < 0, errno == EROFS { descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) }
        guard descriptor >= 0 else { throw AgentStoreError(errno: errno, "open", path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let number = errno
            close(descriptor)
            guard number == EWOULDBLOCK else { throw AgentStoreError(errno: number, "lock", path) }
            throw AgentStoreError(.alreadyRunning, "Another agent uses the data folder \(layout.root).")
        }
        self.descriptor = descriptor
    }

    deinit {
        // Closed only, it would last until each engine that is being started meanwhile has let go of its copy.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
