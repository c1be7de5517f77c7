internal import Glibc

/// How many files the agent may have open: connections to the gateway and to engines hold two each.
enum OpenFiles {
    /// Raises the soft limit, often 1024, up to the hard one: what serves must not run out at what a shell sets for
    /// people. Engines get a limit of their own.
    static func allowMany() {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return }
        let wanted = min(limit.rlim_max, enough)
        guard limit.rlim_cur < wanted else { return }
        limit.rlim_cur = wanted
        // Where it is refused, what there is must do.
        _ = setrlimit(resource, &limit)
    }

    /// Beyond this a leak would only take longer to be seen.
    private static let enough: rlim_t = 65_536
}
