internal import MartletTypes

/// Reads the facts of a machine from the files below a root: `/`, or a recorded tree of a board.
///
/// Reading takes a few milliseconds and no privileges. Nothing is thrown: what cannot be read is noted in the facts.
package struct HardwareProbe: Sendable {
    private let root: String
    private let architecture: String?
    private let storagePaths: [String]

    /// - Parameters:
    ///   - root: where `/proc` and `/sys` are found.
    ///   - architecture: in OCI's words; nil takes that of this program at the real root (which alone decides what
    ///     it can run), and what the tree says elsewhere.
    ///   - storagePaths: the folders whose file systems matter, below the root.
    package init(root: String = "/", architecture: String? = nil, storagePaths: [String] = ["/"]) {
        self.root = root
        self.architecture = architecture ?? (root == "/" ? Self.ownArchitecture : nil)
        self.storagePaths = storagePaths
    }

    /// The architecture this program was compiled for, in OCI's words.
    package static var ownArchitecture: String {
        #if arch(x86_64)
            "amd64"
        #elseif arch(arm64)
            "arm64"
        #elseif arch(arm)
            "arm"
        #elseif arch(riscv64)
            "riscv64"
        #else
            "unknown"
        #endif
    }

    /// Reads everything anew.
    package func facts() -> HardwareFacts {
        var tree = SystemTree(root: root)
        let cpuInfo = CPUInfo(tree.text("/proc/cpuinfo") ?? "")
        let architecture = self.architecture ?? treeArchitecture(&tree, cpuInfo)
        var facts = HardwareFacts(architecture: architecture)
        facts.cpu = cpu(&tree, cpuInfo, architecture)
        facts.memory = memory(&tree)
        facts.storage = storagePaths.map { storage(&tree, $0) }
        facts.accelerators = accelerators(&tree)
        facts.board = board(&tree)
        facts.kernel = tree.line("/proc/sys/kernel/osrelease")
        facts.distribution = distribution(&tree)
        facts.thermalZones = thermalZones(&tree)
        facts.throttled = throttled(&tree)
        facts.powerSupplies = powerSupplies(&tree)
        facts.clockSynchronised = tree.exists("/run/systemd/timesync/synchronized") ? true : nil
        facts.problems = tree.problems
        return facts
    }

    /// Only the memory, for whoever asks often.
    package func memory() -> HardwareFacts.Memory {
        var tree = SystemTree(root: root)
        return memory(&tree)
    }

    /// Only the storage, for whoever asks often.
    package func storage() -> [HardwareFacts.Storage] {
        var tree = SystemTree(root: root)
        return storagePaths.map { storage(&tree, $0) }
    }

    /// Only the temperatures, for whoever asks often.
    package func thermalZones() -> [HardwareFacts.ThermalZone] {
        var tree = SystemTree(root: root)
        return thermalZones(&tree)
    }

    /// Only the power supplies, for whoever asks often.
    package func powerSupplies() -> [HardwareFacts.PowerSupply] {
        var tree = SystemTree(root: root)
        return powerSupplies(&tree)
    }

    private func treeArchitecture(_ tree: inout SystemTree, _ cpuInfo: CPUInfo) -> String {
        // /proc/sys/kernel/arch is there since Linux 6.1; before that the form of cpuinfo tells.
        if let machine = tree.line("/proc/sys/kernel/arch") {
            let names = ["x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv8l": "arm", "riscv64": "riscv64"]
            return names[machine] ?? machine
        }
        if cpuInfo["flags"] != nil { return "amd64" }
        switch cpuInfo["CPU architecture"] {
        case "8", "AArch64": return "arm64"
        case .some: return "arm"
        case nil: break
        }
        tree.note("/proc/cpuinfo", "does not tell the architecture")
        return "unknown"
    }

    private func cpu(_ tree: inout SystemTree, _ info: CPUInfo, _ architecture: String) -> HardwareFacts.CPU {
        var cpu = HardwareFacts.CPU()
        cpu.model = info["model name"] ?? info["Model"] ?? info["Hardware"]
        cpu.vendor = info["vendor_id"] ?? info["CPU implementer"].map { Self.implementers[$0] ?? $0 }
        cpu.cores = onlineCores(&tree) ?? (info.processors > 0 ? info.processors : nil)
        if cpu.cores == nil { tree.note("/proc/cpuinfo", "names no processor") }
        switch architecture {
        case "amd64": cpu.features = info.features("flags", CPUFeature.amd64)
        case "arm64":
            // Advanced SIMD is part of the architecture; cpuinfo is the host's under user-mode emulation.
            cpu.features = Set(info.features("Features", CPUFeature.arm64)).union(["neon"]).sorted()
        default: cpu.features = []
        }
        return cpu
    }

    /// Counts e.g. `0-3,5`.
    private func onlineCores(_ tree: inout SystemTree) -> Int? {
        let path = "/sys/devices/system/cpu/online"
        guard let line = tree.line(path) else { return nil }
        var count = 0
        for range in line.split(separator: ",") {
            let ends = range.split(separator: "-", maxSplits: 1).map { Int($0) }
            guard let first = ends.first.flatMap({ $0 }), let last = ends.last.flatMap({ $0 }),
                first >= 0, last >= first, last < 1 << 20
            else {
                tree.note(path, "\"\(line.prefix(40))\" is no list of processors")
                return nil
            }
            count += last - first + 1
        }
        return count == 0 ? nil : count
    }

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
