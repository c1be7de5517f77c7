internal import MartletTypes

/// Memory, swap, and what control groups leave of them.
extension HardwareProbe {
    func memory(_ tree: inout SystemTree) -> HardwareFacts.Memory {
        var memory = HardwareFacts.Memory()
        let values = memoryInfo(&tree)
        memory.total = values["MemTotal"]
        memory.available = values["MemAvailable"] ?? values["MemFree"]
        memory.swapTotal = values["SwapTotal"]
        memory.swapFree = values["SwapFree"]
        memory.swapDevices = swaps(&tree)
        // The limit of a version 1 group "without" a limit is a number near 2^63.
        let unlimited = values["MemTotal"] ?? ByteCount(Int64.max)
        for group in groups(&tree, "memory") {
            // Above `memory.high` the kernel takes pages back so hard that the group all but stands still.
            let names = group.isUnified ? ["memory.max", "memory.high"] : ["memory.limit_in_bytes"]
            let limits = names.compactMap { limit(&tree, "\(group.folder)/\($0)") }
            guard let limit = limits.filter({ $0 > .zero && $0 < unlimited }).min() else { continue }
            let used = used(&tree, group)
            if let used {
                memory.cgroupAvailable = min(memory.cgroupAvailable ?? unlimited, limit.less(used))
            }
            guard limit < memory.cgroupLimit ?? ByteCount(Int64.max) else { continue }
            memory.cgroupLimit = limit
            memory.cgroupUsed = used
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
            guard words.count == 3, words[2] == "kB", let bytes = Self.kibibytes(words[1]) else { continue }
            values[String(words[0])] = bytes
        }
        if values["MemTotal"] == nil { tree.note(path, "has no MemTotal") }
        return values
    }

    private static func kibibytes(_ text: Substring) -> ByteCount? {
        guard let number = Int64(text), number >= 0, number < Int64.max / 1024 else { return nil }
        return ByteCount(number * 1024)
    }

    /// The lines of `/proc/swaps` after the first: name, type, size, used, priority (proc(5)).
    private func swaps(_ tree: inout SystemTree) -> [HardwareFacts.Swap]? {
        guard let text = tree.text("/proc/swaps") else { return nil }
        let swaps = text.split(separator: "\n").dropFirst().prefix(DeviceProfilesLimits.profileListEntries)
            .compactMap { line -> HardwareFacts.Swap? in
                let words = line.split(whereSeparator: \.isWhitespace)
                guard words.count >= 4 else { return nil }
                let name = String(words[0].prefix(DeviceProfilesLimits.textBytes))
                let kind = name.hasPrefix("/dev/zram") ? "zram" : String(words[1])
                return .init(
                    name: name, kind: kind, total: Self.kibibytes(words[2]), used: Self.kibibytes(words[3]))
            }
        return swaps.isEmpty ? nil : swaps
    }

    /// A control group that holds this process.
    struct Group {
        /// Where its files are.
        var folder: String
        /// Whether it is of version 2.
        var isUnified: Bool
    }

    /// The control groups of a controller that hold this process, from its own up to the top.
    ///
    /// In a container the path is the host's and the files lie at the top: what is absent is passed over.
    func groups(_ tree: inout SystemTree, _ controller: String) -> [Group] {
        guard let text = tree.text("/proc/self/cgroup") else { return [] }
        var groups: [Group] = []
        for line in text.split(separator: "\n").prefix(DeviceProfilesLimits.profileListEntries) {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[2].hasPrefix("/"), !fields[2].contains("..") else { continue }
            let isUnified = fields[0] == "0" && fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains(Substring(controller)) else { continue }
            let base = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/\(controller)"
            var group = String(fields[2])
            for _ in 0..<DeviceProfilesLimits.profileListEntries {
                groups.append(Group(folder: group == "/" ? base : base + group, isUnified: isUnified))
                guard group != "/", let slash = group.lastIndex(of: "/") else { break }
                group = slash == group.startIndex ? "/" : String(group[..<slash])
            }
        }
        return groups
    }

    /// What a group uses, less the pages of files that it reads no more and the kernel takes back first.
    private func used(_ tree: inout SystemTree, _ group: Group) -> ByteCount? {
        let name = group.isUnified ? "memory.current" : "memory.usage_in_bytes"
        guard let used = tree.number("\(group.folder)/\(name)"), used >= 0 else { return nil }
        let key = group.isUnified ? "inactive_file" : "total_inactive_file"
        var idle: Int64 = 0
        for line in (tree.text(group.folder + "/memory.stat") ?? "").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == key { idle = max(0, Int64(words[1]) ?? 0) }
        }
        return ByteCount(used).less(ByteCount(idle))
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
}
