package import MartletTypes

/// How work that nobody waits for gives way: fetching, hashing, scrubbing, evaluating.
package struct BackgroundRule: Sendable, Hashable {
    /// Niceness of the threads that fetch and hash; the kernel's scheduler of disks follows it.
    package var niceness: Int32 = 10
    /// Whether it pauses while requests run.
    package var pausesWhileBusy = true
    /// Bytes per second that all downloads may take together at any time; nil is without bound.
    package var bytesPerSecond: Int64?
    /// When downloads may take what `bytesPerSecond` allows; empty is always.
    package var windows: [MaintenanceWindow] = []
    /// Bytes per second outside of the windows; 0 fetches nothing then.
    package var outsideBytesPerSecond: Int64 = 0

    package init() {}

    /// Bytes per second that all downloads may take together at a moment; nil is without bound, 0 is not now.
    func speed(at now: Timestamp, offset: @escaping @Sendable (Timestamp) -> Int64) -> Int64? {
        let calendar = WindowCalendar(offset: offset)
        guard !windows.isEmpty, !windows.contains(where: { calendar.isOpen($0, at: now) }) else {
            return bytesPerSecond
        }
        return min(outsideBytesPerSecond, bytesPerSecond ?? .max)
    }

    /// When the next window opens; nil where one is open, or none is named.
    func nextOpening(after now: Timestamp, offset: @escaping @Sendable (Timestamp) -> Int64) -> Timestamp? {
        let calendar = WindowCalendar(offset: offset)
        guard !windows.isEmpty, !windows.contains(where: { calendar.isOpen($0, at: now) }) else { return nil }
        return windows.compactMap { calendar.nextOpening($0, after: now) }.min()
    }
}
