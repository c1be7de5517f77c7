package import MartletTypes

/// What the kernel shows of a box, read once at start and again when asked.
///
/// Everything that may be missing is optional: a wrong or absent file costs its own fact and no other, and is noted.
package struct HardwareFacts: Sendable, Hashable, Codable {
    /// A GPU or NPU that the kernel shows.
    package struct Accelerator: Sendable, Hashable, Codable {
        /// `nvidia`, `jetson`, `rockchip`, `hailo`, `coral`, `intel`, `amd`, …
        package var kind: String
        /// What it calls itself.
        package var name: String
        /// Its own memory, where it has some and says so.
        package var memory: ByteCount?

        package init(kind: String, name: String, memory: ByteCount? = nil) {
            self.kind = kind
            self.name = name
            self.memory = memory
        }
    }

    /// A thermal zone.
    package struct ThermalZone: Sendable, Hashable, Codable {
        package var name: String
        package var celsius: Double

        package init(name: String, celsius: Double) {
            self.name = name
            self.celsius = celsius
        }
    }

    /// As OCI writes it: `amd64`, `arm64`.
    package var architecture: String
    /// Features by the kernel's names, e.g. `avx2`, `asimddp`, `i8mm`; sorted.
    package var cpuFeatures: [String]
    /// The processor's name, where it has one.
    package var cpuModel: String?
    /// Logical processors that are online.
    package var processors: Int
    package var memoryTotal: ByteCount
    package var memoryAvailable: ByteCount
    /// The control group's limit, where it is below the total.
    package var memoryLimit: ByteCount?
    package var swapTotal: ByteCount?
    /// Free bytes where the store is.
    package var storageFree: ByteCount?
    package var storageTotal: ByteCount?
    package var accelerators: [Accelerator]
    /// Device tree model or DMI product.
    package var board: String?
    package var kernel: String?
    /// `PRETTY_NAME` of os-release.
    package var operatingSystem: String?
    package var thermalZones: [ThermalZone]
    /// Whether the clock is disciplined; nil where the kernel does not say.
    package var isTimeSynchronized: Bool?
    /// Files that were missing or wrong, for people.
    package var notes: [String]

    package init(
        architecture: String, cpuFeatures: [String] = [], cpuModel: String? = nil, processors: Int,
        memoryTotal: ByteCount, memoryAvailable: ByteCount, memoryLimit: ByteCount? = nil,
        swapTotal: ByteCount? = nil, storageFree: ByteCount? = nil, storageTotal: ByteCount? = nil,
        accelerators: [Accelerator] = [], board: String? = nil, kernel: String? = nil,
        operatingSystem: String? = nil, thermalZones: [ThermalZone] = [], isTimeSynchronized: Bool? = nil,
        notes: [String] = []
    ) {
        self.architecture = architecture
        self.cpuFeatures = cpuFeatures
        self.cpuModel = cpuModel
        self.processors = processors
        self.memoryTotal = memoryTotal
        self.memoryAvailable = memoryAvailable
        self.memoryLimit = memoryLimit
        self.swapTotal = swapTotal
        self.storageFree = storageFree
        self.storageTotal = storageTotal
        self.accelerators = accelerators
        self.board = board
        self.kernel = kernel
        self.operatingSystem = operatingSystem
        self.thermalZones = thermalZones
        self.isTimeSynchronized = isTimeSynchronized
        self.notes = notes
    }
}
