internal import MartletTypes

/// The processor.
extension HardwareProbe {
    func treeArchitecture(_ tree: inout SystemTree, _ cpuInfo: CPUInfo) -> String {
        // /proc/sys/kernel/arch is there since Linux 6.1; before that the form of cpuinfo tells.
        if let machine = tree.line("/proc/sys/kernel/arch") {
            let names = ["x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv8l": "arm", "riscv64": "riscv64"]
            return names[machine] ?? machine
        }
        if cpuInfo["flags"] != nil { return "amd64" }
        if cpuInfo["isa"]?.hasPrefix("rv64") == true { return "riscv64" }
        switch cpuInfo["CPU architecture"] {
        case "8", "AArch64": return "arm64"
        case .some: return "arm"
        case nil: break
        }
        tree.note("/proc/cpuinfo", "does not tell the architecture")
        return "unknown"
    }

    func cpu(_ tree: inout SystemTree, _ info: CPUInfo, _ architecture: String) -> HardwareFacts.CPU {
        var cpu = HardwareFacts.CPU()
        cpu.model = info["model name"] ?? info["Model"] ?? Self.partName(info) ?? info["Hardware"]
        cpu.vendor = info["vendor_id"] ?? info["CPU implementer"].map { Self.implementers[$0] ?? $0 }
        let online = "/sys/devices/system/cpu/online"
        cpu.cores = tree.count(online) ?? (info.processors > 0 ? info.processors : nil)
        if cpu.cores == nil { tree.note("/proc/cpuinfo", "names no processor") }
        cpu.performanceCores = performanceCores(&tree)
        let status = CPUInfo(tree.text("/proc/self/status") ?? "")
        cpu.allowedCores = status["Cpus_allowed_list"].flatMap { SystemTree.count(list: $0) }
        cpu.quotaMilliCores = quota(&tree)
        switch architecture {
        case "amd64": cpu.features = info.features("flags", CPUFeature.amd64)
        case "arm64":
            // Advanced SIMD is part of the architecture; cpuinfo is the host's under user-mode emulation.
            cpu.features = Set(info.features("Features", CPUFeature.arm64)).union(["neon"]).sorted()
        default: cpu.features = []
        }
        return cpu
    }

    /// How many processors are of the fastest kind; nil where all are alike.
    ///
    /// ARM tells each one's capacity against the fastest (`cpu_capacity`), Intel's hybrids list theirs (`cpu_core`).
    private func performanceCores(_ tree: inout SystemTree) -> Int? {
        if let count = tree.count("/sys/devices/cpu_core/cpus"), tree.exists("/sys/devices/cpu_atom") { return count }
        let folder = "/sys/devices/system/cpu"
        let processors = tree.names(folder).filter { $0.hasPrefix("cpu") && $0.dropFirst(3).allSatisfy(\.isNumber) }
        var capacities: [Int64] = []
        for processor in processors {
            // Where the first has none, none has.
            guard let capacity = tree.number("\(folder)/\(processor)/cpu_capacity") else { return nil }
            capacities.append(capacity)
        }
        guard let most = capacities.max(), let least = capacities.min(), least < most else { return nil }
        // Cores that differ in their clock alone, by a few percent, count as one kind.
        return capacities.count { $0 >= most / 10 * 8 }
    }

    /// The least processor time of the groups above, in thousandths of a processor; nil where none limits it.
    private func quota(_ tree: inout SystemTree) -> Int? {
        var least: Int?
        for group in groups(&tree, "cpu") {
            var words: [Substring] = []
            if group.isUnified {
                words = (tree.line(group.folder + "/cpu.max") ?? "").split(separator: " ")
            } else if let quota = tree.line(group.folder + "/cpu.cfs_quota_us"), quota != "-1" {
                words = [Substring(quota), Substring(tree.line(group.folder + "/cpu.cfs_period_us") ?? "100000")]
            }
            guard words.count == 2, words[0] != "max" else { continue }
            guard let quota = Int(words[0]), let period = Int(words[1]), period > 0, quota > 0, quota < 1 << 40 else {
                tree.note(group.folder, "its limit of processor time makes no sense")
                continue
            }
            least = min(least ?? .max, max(1, quota * 1000 / period))
        }
        return least
    }

    /// The name of an ARM core, where it is one that boards are built with (Linux `arch/arm64/include/asm/cputype.h`).
    private static func partName(_ info: CPUInfo) -> String? {
        guard info["CPU implementer"] == "0x41", let part = info["CPU part"] else { return nil }
        return parts[part]
    }

    private static let parts = [
        "0xd03": "Cortex-A53", "0xd04": "Cortex-A35", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57",
        "0xd08": "Cortex-A72", "0xd09": "Cortex-A73", "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76",
        "0xd0c": "Neoverse-N1", "0xd40": "Neoverse-V1", "0xd41": "Cortex-A78", "0xd42": "Cortex-A78AE",
        "0xd49": "Neoverse-N2", "0xd4f": "Neoverse-V2", "0xd80": "Cortex-A520", "0xd81": "Cortex-A720",
        "0xd83": "Neoverse-V3AE", "0xd84": "Neoverse-V3", "0xd8e": "Neoverse-N3",
    ]

    /// `MIDR_EL1.Implementer`, Arm Architecture Reference Manual.
    private static let implementers = [
        "0x41": "ARM", "0x42": "Broadcom", "0x43": "Cavium", "0x46": "Fujitsu", "0x48": "HiSilicon", "0x4e": "NVIDIA",
        "0x50": "Ampere (APM)", "0x51": "Qualcomm", "0x53": "Samsung", "0x61": "Apple", "0xc0": "Ampere",
    ]
}

/// `/proc/cpuinfo`: the first value of each key, and the number of processors.
struct CPUInfo {
    private var values: [String: String] = [:]
    private(set) var processors = 0

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let key = String(SystemTree.trim(line[..<colon]))
            let value = String(SystemTree.trim(line[line.index(after: colon)...]))
            if key == "processor" { processors += 1 }
            if values[key] == nil, !value.isEmpty { values[key] = value }
        }
    }

    subscript(key: String) -> String? { values[key].map { String($0.prefix(4096)) } }

    /// Our names of the features that stand under `key`.
    func features(_ key: String, _ names: [String: String]) -> [String] {
        Set((values[key] ?? "").split(separator: " ").compactMap { names[String($0)] }).sorted()
    }
}
