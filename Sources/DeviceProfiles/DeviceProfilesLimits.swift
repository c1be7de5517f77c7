/// Bounds on what the probe reads and what a profile may say.
package enum DeviceProfilesLimits {
    /// One file below `/proc` or `/sys`. `cpuinfo` of a 256-core machine has about 400 KiB.
    package static let fileBytes = 1024 * 1024
    /// Entries of one folder, e.g. thermal zones or block devices.
    package static let folderEntries = 512
    /// Processors that are reckoned with.
    package static let processors = 4096
    /// Accelerators that are told of.
    package static let accelerators = 32
    /// Trip points of one thermal zone; the kernel has twelve at most.
    package static let tripPoints = 12
    /// What a program that is asked about accelerators may print.
    package static let commandBytes = 64 * 1024
    /// Text that is kept of one file, e.g. a board's model.
    package static let textBytes = 256
    /// Problems that are noted; a broken tree must not fill the inventory.
    package static let problems = 64
    /// A profile as JSON.
    package static let profileBytes = 64 * 1024
    /// Entries in one list of a profile.
    package static let profileListEntries = 64
}
