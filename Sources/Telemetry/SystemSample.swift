package import MartletTypes

/// How busy the box is at a moment. What could not be read is nil.
package struct SystemSample: Sendable, Hashable {
    /// When it was taken.
    package var time: Timestamp
    /// Share of the processors' time that was used since the sample before, 0 to 1.
    package var cpu: Double?
    /// Memory that could not be given to another program at once.
    package var memoryUsed: ByteCount?
    /// All memory.
    package var memoryTotal: ByteCount?
    /// Used space of the store's file system.
    package var diskUsed: ByteCount?
    /// Size of the store's file system.
    package var diskTotal: ByteCount?
    /// The hottest thermal zone.
    package var temperatureCelsius: Double?
    /// Processes that ran or waited, over one minute.
    package var load: Double?

    package init(time: Timestamp) { self.time = time }

    /// A sample from the text of `/proc/stat` (with the text before), `/proc/meminfo`, `/proc/loadavg` and the
    /// `temp` files of thermal zones. Texts that are missing or malformed leave their values nil.
    package init(
        time: Timestamp, stat: String?, previousStat: String?, meminfo: String?, loadavg: String?,
        thermalZones: [String] = []
    ) {
        self.time = time
        if let now = stat.flatMap(CPUTimes.init(stat:)), let before = previousStat.flatMap(CPUTimes.init(stat:)) {
            cpu = now.utilization(since: before)
        }
        if let meminfo {
            let total = Self.kibibytes("MemTotal:", in: meminfo)
            memoryTotal = total
            if let total, let available = Self.kibibytes("MemAvailable:", in: meminfo), available <= total {
                memoryUsed = total - available
            }
        }
        load = loadavg?.split(separator: " ").first.flatMap { Double($0) }.flatMap { $0.isFinite && $0 >= 0 ? $0 : nil }
        temperatureCelsius = thermalZones.compactMap(Self.celsius).max()
    }

    private static func kibibytes(_ key: String, in text: String) -> ByteCount? {
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            let words = line.split(separator: " ")
            guard words.count == 3, let value = Int64(words[1]), value >= 0, value <= Int64.max / 1024 else {
                return nil
            }
            return ByteCount(value * 1024)
        }
        return nil
    }

    /// Thermal zones tell thousandths of a degree; a sensor without a reading tells nonsense.
    private static func celsius(_ text: String) -> Double? {
        guard let value = Double(text.filter { !$0.isWhitespace }), value.isFinite else { return nil }
        let degrees = value / 1000
        return (-60...200).contains(degrees) ? degrees : nil
    }
}

/// The processors' time since boot, in ticks.
package struct CPUTimes: Sendable, Hashable {
    /// Time in which something ran.
    package let busy: UInt64
    /// All time.
    package let total: UInt64

    /// Reads the first line of `/proc/stat`; nil where it is malformed. Waiting for a disk is idle time; the time of
    /// guests is in that of users already.
    package init?(stat: String) {
        guard let line = stat.split(separator: "\n").first, line.hasPrefix("cpu ") else { return nil }
        let ticks = line.split(separator: " ").dropFirst().prefix(8).map { UInt64($0) }
        guard ticks.count >= 4 else { return nil }
        var total: UInt64 = 0
        for tick in ticks {
            guard let tick else { return nil }
            let (sum, overflow) = total.addingReportingOverflow(tick)
            guard !overflow else { return nil }
            total = sum
        }
        let idle = (ticks[3] ?? 0) + (ticks.count > 4 ? ticks[4] ?? 0 : 0)
        busy = total - idle
        self.total = total
    }

    /// The share of time that was used since `before`, 0 to 1; nil where no time passed or the counters went back.
    package func utilization(since before: CPUTimes) -> Double? {
        guard total > before.total, busy >= before.busy else { return nil }
        return min(1, Double(busy - before.busy) / Double(total - before.total))
    }
}
