internal import MartletTypes

/// Runs a program to its end and returns what it printed; nil where it is not there, fails, or takes too long.
///
/// Whoever supplies it bounds time and output. The probe itself starts nothing.
package typealias ProbeCommand = @Sendable (_ program: String, _ arguments: [String]) -> String?

/// Reads the facts of a machine from the files below a root: `/`, or a recorded tree of a board.
///
/// Reading takes a few milliseconds and no privileges. Nothing is thrown: what cannot be read is noted in the facts.
package struct HardwareProbe: Sendable {
    private let root: String
    private let architecture: String?
    private let storagePaths: [String]
    let command: ProbeCommand?
    let kernelClock: (@Sendable () -> Bool?)?

    /// - Parameters:
    ///   - root: where `/proc` and `/sys` are found.
    ///   - architecture: in OCI's words; nil takes that of this program at the real root (which alone decides what
    ///     it can run), and what the tree says elsewhere.
    ///   - storagePaths: the folders whose file systems matter, below the root.
    ///   - command: asks `nvidia-smi`, and only where the kernel shows NVIDIA's driver; nil asks nothing.
    ///   - kernelClock: asks the kernel whether its clock is kept right; nil goes by the files alone.
    package init(
        root: String = "/", architecture: String? = nil, storagePaths: [String] = ["/"], command: ProbeCommand? = nil,
        kernelClock: (@Sendable () -> Bool?)? = nil
    ) {
        self.root = root
        self.architecture = architecture ?? (root == "/" ? Self.ownArchitecture : nil)
        self.storagePaths = storagePaths
        self.command = command
        self.kernelClock = kernelClock
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
        facts.board = board(&tree)
        facts.accelerators = accelerators(&tree, facts.board)
        facts.kernel = tree.line("/proc/sys/kernel/osrelease")
        facts.distribution = distribution(&tree)
        facts.thermalZones = thermalZones(&tree)
        (facts.throttled, facts.throttling) = throttling(&tree)
        facts.powerSupplies = powerSupplies(&tree)
        (facts.clockSynchronised, facts.timeService) = clock(&tree)
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

    /// Only what slows the processor down, for whoever asks often.
    package func throttling() -> HardwareFacts.Throttling? {
        var tree = SystemTree(root: root)
        return throttling(&tree).detail
    }
}
