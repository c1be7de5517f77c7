package import MartletTypes

/// One variant of a release as the choice sees it; made from an entry of the release's index.
package struct VariantCandidate: Sendable, Hashable {
    /// How the variant is told from the others, e.g. its manifest's digest.
    package var name: String
    /// The operating system it needs, in OCI's words; nil and `unknown` run on any.
    package var os: String?
    /// The architecture it needs, in OCI's words; nil and `unknown` run on any.
    package var architecture: String?
    /// The dominant quantization.
    package var quantization: String
    /// Bytes of all its files.
    package var fileSize: ByteCount
    /// Bytes that must still be fetched; less than `fileSize` where some blobs are here already.
    package var missingBytes: ByteCount
    /// The least memory that its publisher states.
    package var minMemory: ByteCount
    /// CPU features it needs, by the names of `CPUFeature`.
    package var cpuFeatures: [String]
    /// The engine it needs.
    package var engine: EngineRequirement
    /// The model that serves; nil for what is no model.
    package var shape: ModelShape?
    /// Adapters on top of it.
    package var adapters: [ModelShape]

    package init(
        name: String, os: String? = nil, architecture: String? = nil, quantization: String, fileSize: ByteCount,
        missingBytes: ByteCount? = nil, minMemory: ByteCount = .zero, cpuFeatures: [String] = [],
        engine: EngineRequirement, shape: ModelShape? = nil, adapters: [ModelShape] = []
    ) {
        self.name = name
        self.os = os
        self.architecture = architecture
        self.quantization = quantization
        self.fileSize = fileSize
        self.missingBytes = missingBytes ?? fileSize
        self.minMemory = minMemory
        self.cpuFeatures = cpuFeatures
        self.engine = engine
        self.shape = shape
        self.adapters = adapters
    }
}

/// One requirement that a device does not meet, with the numbers.
package enum VariantRefusal: Sendable, Hashable, Codable, CustomStringConvertible {
    case wrongPlatform(needs: String, has: String)
    case missingCPUFeatures([String])
    case engineMissing(name: String)
    case engineTooOld(name: String, needs: String, has: String)
    case notEnoughMemory(needs: ByteCount, has: ByteCount)
    case notEnoughDisk(needs: ByteCount, has: ByteCount)

    /// The stable code, as it stands in reports.
    package var code: String {
        switch self {
        case .wrongPlatform: "wrongPlatform"
        case .missingCPUFeatures: "missingCPUFeatures"
        case .engineMissing: "engineMissing"
        case .engineTooOld: "engineTooOld"
        case .notEnoughMemory: "notEnoughMemory"
        case .notEnoughDisk: "notEnoughDisk"
        }
    }

    /// For people, with the numbers.
    package var description: String {
        switch self {
        case .wrongPlatform(let needs, let has): "needs \(needs), this is \(has)"
        case .missingCPUFeatures(let features): "the processor lacks \(features.joined(separator: ", "))"
        case .engineMissing(let name): "needs the engine \(name), which is not installed"
        case .engineTooOld(let name, let needs, let has): "needs \(name) \(needs), installed is \(has)"
        case .notEnoughMemory(let needs, let has): "needs \(needs) of memory, may take \(has)"
        case .notEnoughDisk(let needs, let has): "needs \(needs) of disk, may take \(has)"
        }
    }
}

/// What became of one variant in a choice, and why.
package struct VariantVerdict: Sendable, Hashable, Codable {
    /// The variant's name.
    package var variant: String
    /// Its quantization, for the table.
    package var quantization: String
    /// Whether it was chosen. At most one is.
    package var chosen: Bool
    /// Every requirement that is not met; empty where it fits.
    package var refusals: [VariantRefusal]
    /// What it would take of memory: the estimate, or the publisher's figure where that is higher.
    package var memory: ByteCount
    /// Why it was chosen, passed over, or refused.
    package var reason: String

    /// Whether it could run here.
    package var fits: Bool { refusals.isEmpty }
    /// `chosen`, `fits`, or the code of the first refusal.
    package var code: String { refusals.first?.code ?? (chosen ? "chosen" : "fits") }
}
