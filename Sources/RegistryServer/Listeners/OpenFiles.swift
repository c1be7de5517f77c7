import Glibc
import Logging

/// How many files the process may have open: each device that waits in a poll holds one.
enum OpenFiles {
    /// Raises the soft limit, often 1024, to the hard one; a fleet must not stop at what a shell sets for people.
    static func allowMany(_ logger: Logger) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max
        else { return }
        limit.rlim_cur = limit.rlim_max
        guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            logger.warning("the limit of open files could not be raised")
            return
        }
    }
}
