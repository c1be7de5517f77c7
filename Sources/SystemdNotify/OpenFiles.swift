internal import Glibc

/// How many files a service may have open. Source: systemd.exec(5), "Process properties": the soft limit stays at 1024
/// for the sake of select(2), and a service that can do without raises it itself.
package enum OpenFiles {
    /// Raises the soft limit to the hard one, or to `most`; false where that is refused, and what there is must do.
    @discardableResult
    package static func allowMany(_ most: UInt64 = .max) -> Bool {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return true }
        let wanted = min(limit.rlim_max, rlim_t(most))
        guard limit.rlim_cur < wanted else { return true }
        limit.rlim_cur = wanted
        return setrlimit(resource, &limit) == 0
    }
}
