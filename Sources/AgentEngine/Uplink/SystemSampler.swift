package import AgentStore
internal import Glibc
package import MartletTypes
package import Telemetry

/// Measures how busy the box is, from `/proc` and `/sys` below a root.
package actor SystemSampler {
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        StorageThread.documents.asUnownedSerialExecutor()
    }

    private let root: String
    private let store: String
    private let clock: Clock
    private let files: any FileSystem
    private var previousStat: String?

    /// `root` is where `/proc` and `/sys` are found, empty for the machine's own; `store` is on the disk that is
    /// measured.
    package init(
        root: String = "", store: String, clock: @escaping Clock, files: any FileSystem = RealFileSystem()
    ) {
        self.root = root
        self.store = store
        self.clock = clock
        self.files = files
    }

    /// A sample; the processors' share is that since the sample before, and absent in the first.
    package func sample() -> SystemSample {
        let stat = text("/proc/stat")
        let zones = "/sys/class/thermal"
        let names = ((try? files.names(in: root + zones)) ?? []).filter { $0.hasPrefix("thermal_zone") }
        var sample = SystemSample(
            time: clock(), stat: stat, previousStat: previousStat, meminfo: text("/proc/meminfo"),
            loadavg: text("/proc/loadavg"),
            thermalZones: names.prefix(Self.zones).compactMap { text("\(zones)/\($0)/temp") })
        previousStat = stat
        var disk = statvfs()
        if statvfs(store, &disk) == 0 {
            let block = UInt64(disk.f_frsize)
            let (total, free) = (UInt64(disk.f_blocks) * block, UInt64(disk.f_bfree) * block)
            sample.diskTotal = ByteCount(Int64(clamping: total))
            sample.diskUsed = ByteCount(Int64(clamping: total - min(free, total)))
        }
        return sample
    }

    /// A file that is absent or cannot be read costs its own value and no other.
    private func text(_ path: String) -> String? {
        guard let bytes = try? files.contents(of: root + path, limit: Self.fileBytes) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `/proc/stat` of a machine with a thousand processors and as many interrupts.
    private static let fileBytes = 1024 * 1024
    /// Thermal zones that are read.
    private static let zones = 64
}
