internal import Glibc

/// How many files, connections among them, this process may have open.
package enum FileAllowance {
    /// Raises the soft limit to what `devices` connections need; throws `tooFewFiles` where the hard limit is below.
    package static func raise(for devices: Int) throws {
        let needed = rlim_t(devices + SimulationLimits.otherFiles)
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < needed else {
            return
        }
        limit.rlim_cur = needed
        // Only root may raise the hard limit too.
        limit.rlim_max = max(limit.rlim_max, needed)
        guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            throw SimulationError(
                .tooFewFiles, "\(devices) devices need \(needed) open files, and this process may not have so many.",
                remedy: "Run `ulimit -Hn \(needed)` as root before it, or simulate fewer devices.")
        }
    }
}
