package import MartletTypes

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
    /// Power supplies.
    package var powerSupplies: [PowerSupply]
    /// Whether the clock is kept right by a time service; nil where nothing tells.
    package var clockSynchronised: Bool?
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
        /// Features that engines use, by Martlet's names (`CPUFeature`), sorted.
        package var features: [String]

        package init(model: String? = nil, vendor: String? = nil, cores: Int? = nil, features: [String] = []) {
            self.model = model
            self.vendor = vendor
            self.cores = cores
            self.features = features
        }

        /// Processors to reckon with: one where nothing tells.
        package var usableCores: Int { max(1, cores ?? 1) }
    }

    /// Main memory and swap.
    package struct Memory: Sendable, Hashable, Codable {
        /// All of it.
        package var total: ByteCount?
        /// What can be had without swapping, by the kernel's estimate.
        package var available: ByteCount?
        /// Swap, all and free.
        package var swapTotal: ByteCount?
        package var swapFree: ByteCount?
        /// The least limit of the control groups that the agent runs in.
        package var cgroupLimit: ByteCount?
        /// What those groups use now.
        package var cgroupUsed: ByteCount?

        package init(
            total: ByteCount? = nil, available: ByteCount? = nil, swapTotal: ByteCount? = nil,
            swapFree: ByteCount? = nil, cgroupLimit: ByteCount? = nil, cgroupUsed: ByteCount? = nil
        ) {
            self.total = total
            self.available = available
            self.swapTotal = swapTotal
            self.swapFree = swapFree
            self.cgroupLimit = cgroupLimit
            self.cgroupUsed = cgroupUsed
        }

        /// All memory that the agent and its engines may ever have: the machine's, or less by a control group.
        package var usableTotal: ByteCount? {
            [total, cgroupLimit].compactMap { $0 }.min()
        }

        /// What they may have now: the machine's available memory, or what the control group leaves.
        package var usableAvailable: ByteCount? {
            let left = cgroupLimit.map { limit in max(.zero, limit - (cgroupUsed ?? .zero)) }
            return [available, left].compactMap { $0 }.min()
        }
    }

    /// A file system.
    package struct Storage: Sendable, Hashable, Codable {
        /// What the store lies on.
        package enum Kind: String, Sendable, Codable {
            case nvme, ssd, disk, emmc, sdCard, virtual, network, memory, unknown
        }

        /// The path that was asked for.
        package var path: String
        /// Its size, and what is free for the agent.
        package var total: ByteCount?
        package var free: ByteCount?
        /// What it lies on.
        package var kind: Kind
        /// Part of its life that is used up, in percent, where the device shows it.
        package var wearPercent: Int?

        package init(
            path: String, total: ByteCount? = nil, free: ByteCount? = nil, kind: Kind = .unknown,
            wearPercent: Int? = nil
        ) {
            self.path = path
            self.total = total
            self.free = free
            self.kind = kind
            self.wearPercent = wearPercent
        }
    }

    /// A graphics or neural processor.
    package struct Accelerator: Sendable, Hashable, Codable {
        /// What it is for.
        package enum Kind: String, Sendable, Codable { case gpu, npu }

        package var kind: Kind
        /// E.g. `nvidia`, `amd`, `intel`, `broadcom`, `rockchip`, `hailo`, `coral`.
        package var vendor: String
        /// Its name, where the kernel shows one.
        package var name: String?
        /// The kernel driver.
        package var driver: String?

        package init(kind: Kind, vendor: String, name: String? = nil, driver: String? = nil) {
            self.kind = kind
            self.vendor = vendor
            self.name = name
            self.driver = driver
        }
    }

    /// The board.
    package struct Board: Sendable, Hashable, Codable {
        package var vendor: String?
        /// E.g. `Raspberry Pi 5 Model B Rev 1.0`.
        package var model: String?
        /// The device tree's list of compatible boards, the nearest first.
        package var compatible: [String]

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

    /// A temperature.
    package struct ThermalZone: Sendable, Hashable, Codable {
        /// The kernel's name for it, e.g. `cpu-thermal`.
        package var name: String
        /// Thousandths of a degree Celsius.
        package var milliCelsius: Int

        package init(name: String, milliCelsius: Int) {
            self.name = name
            self.milliCelsius = milliCelsius
        }
    }

    /// A power supply.
    package struct PowerSupply: Sendable, Hashable, Codable {
        /// The kernel's name for it, e.g. `BAT0`.
        package var name: String
        /// `Mains`, `Battery`, `USB` or `UPS`.
        package var type: String
        /// Whether power comes from it; nil where it does not say.
        package var online: Bool?
        /// What a battery still holds.
        package var percent: Int?

        package init(name: String, type: String, online: Bool? = nil, percent: Int? = nil) {
            self.name = name
            self.type = type
            self.online = online
            self.percent = percent
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
