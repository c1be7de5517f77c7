internal import Glibc
internal import MartletTypes

/// Memory and storage.
extension HardwareProbe {
    func memory(_ tree: inout SystemTree) -> HardwareFacts.Memory {
        var memory = HardwareFacts.Memory()
        let values = memoryInfo(&tree)
        memory.total = values["MemTotal"]
        memory.available = values["MemAvailable"] ?? values["MemFree"]
        memory.swapTotal = values["SwapTotal"]
        memory.swapFree = values["SwapFree"]
        // The limit of a version 1 group "without" a limit is a number near 2^63.
        let unlimited = values["MemTotal"] ?? ByteCount(Int64.max)
        for group in memoryGroups(&tree) {
            guard let limit = limit(&tree, group.limit), limit.bytes > 0, limit < unlimited,
                limit < memory.cgroupLimit ?? ByteCount(Int64.max)
            else { continue }
            memory.cgroupLimit = limit
            memory.cgroupUsed = tree.number(group.used).map { ByteCount(max(0, $0)) }
        }
        return memory
    }

    /// The fields of `/proc/meminfo`.
    private func memoryInfo(_ tree: inout SystemTree) -> [String: ByteCount] {
        let path = "/proc/meminfo"
        guard let text = tree.text(path) else {
            tree.note(path, "is missing")
            return [:]
        }
        var values: [String: ByteCount] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == ":" || $0 == "\t" })
            guard words.count == 3, words[2] == "kB", let kibibytes = Int64(words[1]), kibibytes >= 0,
                kibibytes < Int64.max / 1024
            else { continue }
            values[String(words[0])] = ByteCount(kibibytes * 1024)
        }
        if values["MemTotal"] == nil { tree.note(path, "has no MemTotal") }
        return values
    }

    /// The files of the control groups that hold this process, from its own up to the top.
    private func memoryGroups(_ tree: inout SystemTree) -> [(limit: String, used: String)] {
        guard let text = tree.text("/proc/self/cgroup") else { return [] }
        var files: [(limit: String, used: String)] = []
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, !fields[2].contains("..") else { continue }
            let isUnified = fields[0] == "0" && fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains("memory") else { continue }
            let base = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
            let names =
                isUnified
                ? ("memory.max", "memory.current") : ("memory.limit_in_bytes", "memory.usage_in_bytes")
            var group = String(fields[2])
            for _ in 0..<DeviceProfilesLimits.profileListEntries {
                let folder = group == "/" ? base : base + group
                files.append((folder + "/" + names.0, folder + "/" + names.1))
                guard group != "/", let slash = group.lastIndex(of: "/") else { break }
                group = slash == group.startIndex ? "/" : String(group[..<slash])
            }
        }
        return files
    }

    private func limit(_ tree: inout SystemTree, _ path: String) -> ByteCount? {
        guard let line = tree.line(path), line != "max" else { return nil }
        guard let bytes = Int64(line) else {
            // Version 1 writes "no limit" as an unsigned number.
            if UInt64(line) == nil { tree.note(path, "\"\(line.prefix(40))\" is no limit") }
            return nil
        }
        return ByteCount(bytes)
    }

    func storage(_ tree: inout SystemTree, _ path: String) -> HardwareFacts.Storage {
        var storage = HardwareFacts.Storage(path: path)
        var status = statvfs()
        if statvfs(tree.root + path, &status) == 0 {
            let unit = Int64(clamping: status.f_frsize)
            storage.total = ByteCount(multiply(Int64(clamping: status.f_blocks), unit))
            storage.free = ByteCount(multiply(Int64(clamping: status.f_bavail), unit))
        } else {
            tree.note(path, "its file system cannot be asked: \(String(cString: strerror(errno)))")
        }
        guard let mount = mount(&tree, path) else { return storage }
        (storage.kind, storage.wearPercent) = kind(&tree, source: mount.source, type: mount.type)
        return storage
    }

    private func multiply(_ a: Int64, _ b: Int64) -> Int64 {
        let (product, overflow) = a.multipliedReportingOverflow(by: b)
        return overflow ? .max : product
    }

    /// The mount with the longest path that holds `path` (proc(5), `/proc/pid/mountinfo`).
    private func mount(_ tree: inout SystemTree, _ path: String) -> (source: String, type: String)? {
        guard let text = tree.text("/proc/self/mountinfo") else { return nil }
        var best: (point: String, source: String, type: String)?
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count >= 7, let dash = words.firstIndex(of: "-"), dash + 2 < words.count else { continue }
            let point = words[4]
            let holds = point == "/" || path == point || path.hasPrefix(point + "/")
            // A later mount on the same point hides the earlier one.
            if holds, point.utf8.count >= best?.point.utf8.count ?? 0 {
                best = (point, words[dash + 2], words[dash + 1])
            }
        }
        return best.map { ($0.source, $0.type) }
    }

    private func kind(
        _ tree: inout SystemTree, source: String, type: String
    ) -> (HardwareFacts.Storage.Kind, wearPercent: Int?) {
        switch type {
        case "tmpfs", "ramfs": return (.memory, nil)
        case "nfs", "nfs4", "cifs", "9p", "fuse.sshfs": return (.network, nil)
        default: break
        }
        guard let device = source.split(separator: "/").last.map(String.init), source.hasPrefix("/dev/") else {
            return (.unknown, nil)
        }
        let disk = tree.names("/sys/block").filter { device.hasPrefix($0) }.max { $0.utf8.count < $1.utf8.count }
        guard let disk else { return (.unknown, nil) }
        if disk.hasPrefix("nvme") { return (.nvme, nil) }
        if disk.hasPrefix("vd") { return (.virtual, nil) }
        if disk.hasPrefix("mmcblk") {
            let isCard = tree.line("/sys/block/\(disk)/device/type") == "SD"
            return (isCard ? .sdCard : .emmc, isCard ? nil : emmcWear(&tree, disk))
        }
        switch tree.line("/sys/block/\(disk)/queue/rotational") {
        case "0": return (.ssd, nil)
        case "1": return (.disk, nil)
        default: return (.unknown, nil)
        }
    }

    /// JEDEC eMMC 5.0: two estimates of life used, in steps of ten percent, 0x0b is beyond the end.
    private func emmcWear(_ tree: inout SystemTree, _ disk: String) -> Int? {
        guard let line = tree.line("/sys/block/\(disk)/device/life_time") else { return nil }
        let steps = line.split(separator: " ").compactMap { word in Int(word.drop { $0 == "0" || $0 == "x" }, radix: 16)
        }
        return steps.max().map { min(100, $0 * 10) }
    }
}
