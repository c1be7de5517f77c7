/// Whether the clock is kept right, and by whom.
extension HardwareProbe {
    /// The kernel knows for every time service; elsewhere a file of systemd's tells.
    func clock(_ tree: inout SystemTree) -> (isSynchronised: Bool?, service: String?) {
        let service = Self.services.first { tree.exists($0.path) }?.name
        if let kernel = kernelClock?() { return (kernel, service) }
        return (tree.exists("/run/systemd/timesync/synchronized") ? true : nil, service)
    }

    /// What each service leaves in `/run` while it is there; chrony and ntpd before systemd's, whose folder stays.
    private static let services: [(path: String, name: String)] = [
        ("/run/chrony/chronyd.pid", "chrony"), ("/run/chrony", "chrony"), ("/run/ntpd.pid", "ntpd"),
        ("/run/ntpsec", "ntpsec"), ("/run/openntpd", "openntpd"), ("/run/ptp4l", "ptp4l"),
        ("/run/systemd/timesync", "systemd-timesyncd"),
    ]
}
