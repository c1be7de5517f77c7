import AgentStore
import Foundation
import MartletTypes
import TestSupport
import Trust

/// Values that the tests of the store share.
enum Sample {
    static let now = Timestamp(seconds: 1_790_000_000)

    /// Bytes that look random and are the same for the same seed.
    static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
    }

    static func release(_ version: String, in repository: String = "clinic/triage") throws -> AssignedRelease {
        let path = try ReleasePath("\(repository)/\(version)")
        return AssignedRelease(path: path, indexDigest: Digest.of(Array(path.text.utf8)), length: 100)
    }

    static func assignment(_ version: String, generation: Int64) throws -> SlotAssignment {
        SlotAssignment(releases: [try release(version)], generation: generation)
    }

    static func target(_ version: String, generation: Int64) throws -> SlotTarget {
        SlotTarget(
            assignment: try assignment(version, generation: generation), number: generation,
            expires: now + .seconds(86_400))
    }

    static let shape = ModelShape(
        architecture: "llama", parameterCount: 1000, quantization: "Q4_0", fileSize: ByteCount(1000),
        tensorBytes: ByteCount(900), tensorBytesByType: ["Q4_0": 900])

    /// An installed state of a slot whose weight files are these blobs.
    static func generation(
        _ id: Int64, slot: String = "triage", version: String = "1.0.0", weights: [Digest] = [],
        documents: [Digest] = []
    ) throws -> GenerationRecord {
        GenerationRecord(
            id: GenerationID(id), slot: try SlotName(slot), assigned: id * 10, rollout: try RolloutID("r-1"),
            releases: [try release(version)], settings: SlotSettings(contextTokens: 512),
            engine: EngineRequirement(name: "llama.cpp"), variants: [Digest.of(Array("variant \(version)".utf8))],
            files: weights.enumerated().map { index, digest in
                GenerationFile(
                    role: index == 0 ? .weights : .adapter, name: "file-\(index).gguf", digest: digest,
                    size: ByteCount(1000))
            },
            documents: documents, shape: shape, created: now)
    }

    static func identity(key: String, certificate: String = "first") throws -> DeviceIdentity {
        DeviceIdentity(
            device: try DeviceID("box-1"), registry: "https://registry.example:8443",
            rootDigest: Digest.of(Array("root".utf8)), caFingerprint: Hex.encode([UInt8](repeating: 7, count: 32)),
            certificate: certificate, authorities: ["authority"], notBefore: now, notAfter: now + .seconds(90 * 86_400),
            labels: try Labels(["site": "berlin"]), key: key)
    }
}

/// A data folder for one test, with a place beside it for copies and backups.
///
/// It lies in memory where the system has a place there: thousands of synchronisations on a busy disk take minutes, and
/// what a test asks is their order, not their effect.
struct Scene {
    let folder: ScratchFolder
    var root: String { folder.file("data") }
    var layout: StoreLayout { StoreLayout(root: root) }

    init() throws { folder = try ScratchFolder() }

    func open(
        budget: DiskBudget = DiskBudget(reserve: .zero), files: any FileSystem = RealFileSystem()
    ) async throws -> AgentStore {
        try await AgentStore.open(root: root, budget: budget, files: files)
    }

    /// A place beside it for what a power cut may bring back.
    func scratch() throws -> String {
        let path = folder.file("lost")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    /// The same data folder at another place: what the next agent finds if the one at work is killed now.
    func copied() throws -> Scene {
        let copy = try Scene()
        if FileManager.default.fileExists(atPath: root) {
            try FileManager.default.copyItem(atPath: root, toPath: copy.root)
        }
        return copy
    }
}

/// A folder that is removed with its last reference.
final class ScratchFolder: Sendable {
    let path: String

    init() throws {
        let memory = "/dev/shm"
        let parent = FileManager.default.isWritableFile(atPath: memory) ? memory : NSTemporaryDirectory()
        path = "\(parent)/agent-store-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    func file(_ name: String) -> String { path + "/" + name }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

extension BlobStore {
    /// Brings a blob the way a download does, in pieces.
    @discardableResult
    func bring(_ bytes: [UInt8], pieces: Int = 3) async throws -> Digest {
        let digest = Digest.of(bytes)
        let partial = try await open(digest, size: ByteCount(bytes.count))
        let rest = bytes[Int(partial.offset.bytes)...]
        let length = max(1, (rest.count + pieces - 1) / pieces)
        for start in stride(from: rest.startIndex, to: rest.endIndex, by: length) {
            try partial.append(rest[start..<min(start + length, rest.endIndex)])
        }
        try commit(partial)
        return digest
    }
}

extension PartialBlob {
    func append(_ bytes: some Sequence<UInt8>) throws {
        try Array(bytes).withUnsafeBytes { try append($0) }
    }
}

/// The stable code of what a body throws; nil where it throws nothing or something else.
func code(_ body: () async throws -> Void) async -> AgentStoreError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? AgentStoreError)?.reason
    }
}
