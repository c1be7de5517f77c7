/// Bounds on what the probe reads and what a profile may say.
package enum DeviceProfilesLimits {
    /// One file below `/proc` or `/sys`. `cpuinfo` of a 256-core machine has about 400 KiB.
    package static let fileBytes = 1024 * 1024
    /// Entries of one folder, e.g. thermal zones or block devices.
    package static let folderEntries = 512
    /// Text that is kept of one file, e.g. a board's model.
    package static let textBytes = 256
    /// Problems that are noted; a broken tree must not fill the inventory.
    package static let problems = 64
    /// A profile as JSON.
    package static let profileBytes = 64 * 1024
    /// Entries in one list of a profile.
    package static let profileListEntries = 64
}
