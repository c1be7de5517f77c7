/// What a device is and has, as far as its files tell. Part of the inventory that the registry keeps.
///
/// Every fact may be absent: a file that is missing or wrong costs that fact only. New facts are added as optionals,
/// so that older registries and agents go on understanding each other.
package struct HardwareFacts: Sendable, Hashable, Codable {
    /// The operating system in OCI's words: `linux`.
    package var os: String
    /// The architecture in OCI's words, e.g. `amd64`, `arm64`; `unknown` where nothing tells.
    package var architecture: String
    /// The processor.
    package var cpu: CPU
    /// Main memory and swap.
    package var memory: Memory
    /// File systems that matter to the agent.
    package var storage: [Storage]
    /// Graphics and neural processors that the kernel shows.
    package var accelerators: [Accelerator]
    /// The board, from the device tree or DMI.
    package var board: Board?
    /// The kernel's release, e.g. `6.12.34+rpt-rpi-2712`.
    package var kernel: String?
    /// The distribution, from `os-release`.
    package var distribution: Distribution?
    /// Temperatures.
    package var thermalZones: [ThermalZone]
    /// Whether the processor is slowed down for heat or low voltage now; nil where nothing tells.
    package var throttled: Bool?
    /// By what it is slowed down, and was; nil where nothing tells.
    package var throttling: Throttling?
    /// Power supplies.
    package var powerSupplies: [PowerSupply]
    /// Whether the clock is kept right by a time service; nil where nothing tells.
    package var clockSynchronised: Bool?
    /// The time service that was found, e.g. `chrony`.
    package var timeService: String?
    /// What could not be read and why.
    package var problems: [Problem]

    package init(
        os: String = "linux", architecture: String, cpu: CPU = CPU(), memory: Memory = Memory(),
        storage: [Storage] = [], accelerators: [Accelerator] = [], board: Board? = nil, kernel: String? = nil,
        distribution: Distribution? = nil, thermalZones: [ThermalZone] = [], throttled: Bool? = nil,
        powerSupplies: [PowerSupply] = [], clockSynchronised: Bool? = nil, problems: [Problem] = []
    ) {
        self.os = os
        self.architecture = architecture
        self.cpu = cpu
        self.memory = memory
        self.storage = storage
        self.accelerators = accelerators
        self.board = board
        self.kernel = kernel
        self.distribution = distribution
        self.thermalZones = thermalZones
        self.throttled = throttled
        self.powerSupplies = powerSupplies
        self.clockSynchronised = clockSynchronised
        self.problems = problems
    }
}

extension HardwareFacts {
    /// The processor.
    package struct CPU: Sendable, Hashable, Codable {
        /// The name it gives itself.
        package var model: String?
        /// Who made it.
        package var vendor: String?
        /// Logical processors that are online.
        package var cores: Int?
        /// Those of the fastest kind, where there are several kinds.
        package var performanceCores: Int?
        /// Those that the agent and its engines may run on, where that is told.
        package var allowedCores: Int?
        /// Processor time that control groups leave, in thousandths of one processor; nil is no limit.
        package var quotaMilliCores: Int?
        /// Features that engines use, by Martlet's names (`CPUFeature`), sorted.
        package var features: [String]

        package init(model: String? = nil, vendor: String? = nil, cores: Int? = nil, features: [String] = []) {
            self.model = model
            self.vendor = vendor
            self.cores = cores
            self.features = features
        }

        /// Processors to reckon with: those that may be used, the fastest kind alone where there are several (an
        /// engine's threads wait for the slowest of them); one where nothing tells.
        package var usableCores: Int {
            let quota = quotaMilliCores.map { $0 / 1000 }
            let bounds = [allowedCores, quota, performanceCores].compactMap(\.self)
            return min(max(1, bounds.reduce(cores ?? 1, min)), DeviceProfilesLimits.processors)
        }
    }

    /// The board.
    package struct Board: Sendable, Hashable, Codable {
        package var vendor: String?
        /// E.g. `Raspberry Pi 5 Model B Rev 1.0`.
        package var model: String?
        /// The device tree's list of compatible boards, the nearest first.
        package var compatible: [String]
        /// The version of its firmware, from DMI.
        package var firmware: String?

        package init(vendor: String? = nil, model: String? = nil, compatible: [String] = []) {
            self.vendor = vendor
            self.model = model
            self.compatible = compatible
        }
    }

    /// The distribution.
    package struct Distribution: Sendable, Hashable, Codable {
        /// E.g. `debian`.
        package var id: String
        /// E.g. `12`.
        package var version: String?
        /// As people write it.
        package var name: String?

        package init(id: String, version: String? = nil, name: String? = nil) {
            self.id = id
            self.version = version
            self.name = name
        }
    }

    /// A file that could not be read or made no sense.
    package struct Problem: Sendable, Hashable, Codable {
        /// The path below the root.
        package var path: String
        /// What was wrong.
        package var detail: String

        package init(path: String, detail: String) {
            self.path = path
            self.detail = detail
        }
    }
}
