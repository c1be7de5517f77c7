import BundleFormat
import Foundation
import MartletTypes
import TestSupport
import Testing

/// A small bundle as values: an index, a manifest, a config and weights.
struct SampleBundle {
    var front = BundleFront()
    var blobs: [Digest: [UInt8]] = [:]

    /// `count` releases, whose blobs are made of `seed`.
    init(releases count: Int = 1, seed: UInt64 = 1) throws {
        for number in 0..<count { try add(number, seed) }
        front.metadata = ["1.root.json": [1], "timestamp.json": [2], "7.clinic-bin-3.json": [3]]
        front.targets = ["\(Digest.of([4]).hex).trust.json": [4]]
        front.assignments[try DeviceID("box-1")] = [5]
        for release in front.releases { front.bills[release.index.digest] = [[6], [7]] }
        for variant in front.manifests.keys { front.signatures[variant] = [[8]] }
    }

    private mutating func add(_ number: Int, _ seed: UInt64) throws {
        let weights = (0..<(3000 + number * 17)).map { UInt8(truncatingIfNeeded: UInt64($0) &* seed &+ UInt64(number)) }
        let config = Array("{\"number\":\(number)}".utf8)
        func descriptor(_ bytes: [UInt8], _ mediaType: String) -> Descriptor {
            Descriptor(mediaType: mediaType, of: bytes)
        }
        for bytes in [config, weights] {
            blobs[.of(bytes)] = bytes
            front.blobs[.of(bytes)] = ByteCount(bytes.count)
        }
        let manifest = try JSONText.encode(
            ImageManifest(
                artifactType: MediaType.modelManifest, config: descriptor(config, MediaType.modelConfig),
                layers: [descriptor(weights, MediaType.weights)]))
        var entry = Samples.entry()
        entry.descriptor = descriptor(manifest, MediaType.manifest)
        let index = try ReleaseIndex(kind: .model, version: SemanticVersion("1.0.\(number)"), variants: [entry])
            .encoded()
        front.manifests[.of(manifest)] = manifest
        front.manifests[.of(index)] = index
        front.releases.append(
            BundledRelease(
                path: try ReleasePath("clinic/base/1.0.\(number)"), index: descriptor(index, MediaType.index)))
    }

    func write(_ path: String, _ compression: ArchiveWriter.Compression = .none) throws {
        let writer = try BundleWriter(path: path, compression: compression, front: front)
        for (digest, bytes) in blobs.sorted(by: { $0.key.text < $1.key.text }) {
            try writer.begin(digest)
            for start in stride(from: 0, to: bytes.count, by: 1000) {
                try bytes[start..<min(start + 1000, bytes.count)].withUnsafeBytes { try writer.append($0) }
            }
            try writer.end()
        }
        try writer.finish()
    }

    /// The entries of the bundle by hand, in the order in which they belong.
    func entries() throws -> [(name: String, bytes: [UInt8])] {
        var entries: [(String, [UInt8])] = [
            ("oci-layout", ArchivePath.layoutBytes), ("index.json", try BundleFront.indexBytes(front.releases)),
            ("tuf/timestamp.json", [2]),
        ]
        for release in front.releases {
            entries.append(
                (ArchivePath.blob(release.index.digest).description, front.manifests[release.index.digest] ?? []))
        }
        for (digest, bytes) in front.manifests where !front.releases.contains(where: { $0.index.digest == digest }) {
            entries.append((ArchivePath.blob(digest).description, bytes))
        }
        for (digest, bytes) in blobs { entries.append((ArchivePath.blob(digest).description, bytes)) }
        return entries
    }
}

@Suite("Bundles")
struct BundleTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func readAll(_ path: String) throws -> (front: BundleFront, blobs: [Digest: Digest]) {
        let file = try BundleFile(path: path)
        let front = try file.front()
        var blobs: [Digest: Digest] = [:]
        while let blob = try file.nextBlob() {
            let bytes = Collected()
            try file.read(to: bytes.take)
            blobs[blob.digest] = .of(bytes.value)
        }
        return (front, blobs)
    }

    /// Guarded by the order of calls: one reader fills it, and the test looks when that one is done.
    private final class Collected: @unchecked Sendable {
        var value: [UInt8] = []
        @Sendable func take(_ piece: UnsafeRawBufferPointer) { value += piece }
    }

    private func refusal(_ entries: [(name: String, bytes: [UInt8])]) throws -> BundleError? {
        let path = folder.file("hostile.tar")
        try Data(entries.flatMap { HostileTar.entry($0.name, $0.bytes) } + HostileTar.end)
            .write(to: URL(fileURLWithPath: path))
        do {
            _ = try readAll(path)
            return nil
        } catch let error as BundleError {
            return error
        }
    }

    @Test("a bundle reads back as it was written", arguments: [ArchiveWriter.Compression.none, .zstd])
    func roundTrip(compression: ArchiveWriter.Compression) throws {
        for seed in UInt64(1)...8 {
            let sample = try SampleBundle(releases: Int(seed), seed: seed)
            let path = folder.file("bundle-\(seed).tar")
            try sample.write(path, compression)
            let (front, blobs) = try readAll(path)
            #expect(front.releases == sample.front.releases && front.manifests == sample.front.manifests)
            #expect(front.metadata == sample.front.metadata && front.targets == sample.front.targets)
            #expect(front.assignments == sample.front.assignments && front.blobs == sample.front.blobs)
            #expect(front.bills == sample.front.bills && front.signatures == sample.front.signatures)
            #expect(blobs.allSatisfy { $0.key == $0.value } && Set(blobs.keys) == Set(sample.blobs.keys))
        }
    }

    @Test("a bundle is read from a pipe as from a file")
    func pipe() throws {
        let sample = try SampleBundle()
        try sample.write(folder.file("a.tar"))
        let pipe = Pipe()
        let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.file("a.tar")))
        let writer = Thread { try? pipe.fileHandleForWriting.write(contentsOf: bytes) }
        writer.start()
        let file = try BundleFile(descriptor: dup(pipe.fileHandleForReading.fileDescriptor))
        #expect(try file.front().releases == sample.front.releases)
        while let blob = try file.nextBlob() { #expect(sample.blobs[blob.digest] != nil) }
    }

    /// Changes one thing of a good bundle.
    struct Hostile: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let reason: BundleError.Code
        let change: @Sendable (inout [(name: String, bytes: [UInt8])], SampleBundle) throws -> Void
    }

    static let hostile: [Hostile] = [
        Hostile(testDescription: "no index.json", reason: .missing) { entries, _ in entries.remove(at: 1) },
        Hostile(testDescription: "no oci-layout", reason: .missing) { entries, _ in entries.remove(at: 0) },
        Hostile(testDescription: "a layout of another version", reason: .unsupported) { entries, _ in
            entries[0].bytes = Array(#"{"imageLayoutVersion":"2.0.0"}"#.utf8)
        },
        Hostile(testDescription: "an index that names no release", reason: .invalid) { entries, _ in
            entries[1].bytes = Array(#"{"schemaVersion":2,"manifests":[]}"#.utf8)
        },
        Hostile(testDescription: "a changed release index", reason: .digestMismatch) { entries, _ in
            entries[3].bytes[10] ^= 1
        },
        Hostile(testDescription: "a longer release index", reason: .sizeMismatch) { entries, _ in
            entries[3].bytes.append(32)
        },
        Hostile(testDescription: "a missing manifest", reason: .forbiddenEntry) { entries, _ in entries.remove(at: 4) },
        Hostile(testDescription: "a blob before its manifest", reason: .forbiddenEntry) { entries, _ in
            entries.insert(entries.removeLast(), at: 2)
        },
        Hostile(testDescription: "a blob that nobody promised", reason: .forbiddenEntry) { entries, _ in
            entries.append(("blobs/sha256/" + Digest.of([9]).hex, [9]))
        },
        Hostile(testDescription: "a blob that is longer than promised", reason: .sizeMismatch) { entries, _ in
            entries[5].bytes.append(0)
        },
        Hostile(testDescription: "a blob that is shorter than promised", reason: .sizeMismatch) { entries, _ in
            entries[5].bytes.removeLast()
        },
        Hostile(testDescription: "a missing blob", reason: .missing) { entries, _ in entries.removeLast() },
        Hostile(testDescription: "a blob twice", reason: .duplicate) { entries, _ in entries.append(entries[5]) },
        Hostile(testDescription: "metadata after the blobs", reason: .forbiddenEntry) { entries, _ in
            entries.append(("tuf/snapshot.json", [1]))
        },
        Hostile(testDescription: "a name that leaves the folder", reason: .forbiddenEntry) { entries, _ in
            entries.insert(("../blobs/sha256/" + Digest.of([9]).hex, [9]), at: 1)
        },
        Hostile(testDescription: "two entries for one release", reason: .duplicate) { entries, sample in
            entries[1].bytes = try BundleFront.indexBytes(sample.front.releases + sample.front.releases)
        },
        Hostile(testDescription: "an index without a name", reason: .invalid) { entries, _ in
            let text = String(decoding: entries[1].bytes, as: UTF8.self)
            entries[1].bytes = Array(text.replacing("clinic/base:1.0.0", with: "../etc:passwd").utf8)
        },
    ]

    @Test("what is not as its manifests promise is refused", arguments: hostile)
    func refused(hostile: Hostile) throws {
        let sample = try SampleBundle()
        var entries = try sample.entries()
        #expect(try refusal(entries) == nil, "the sample itself is sound")
        try hostile.change(&entries, sample)
        let error = try refusal(entries)
        #expect(error?.reason == hostile.reason, "\(error?.description ?? "accepted")")
    }

    @Test("whatever byte is changed and wherever it is cut, nothing but what was signed for comes out of it")
    func mutations() throws {
        let sample = try SampleBundle()
        try sample.write(folder.file("a.tar"))
        let good = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.file("a.tar"))))
        var random = SystemRandomNumberGenerator()
        for _ in 0..<400 {
            var bytes = good
            if Bool.random(using: &random) {
                bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
            } else {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            }
            try Data(bytes).write(to: URL(fileURLWithPath: folder.file("b.tar")))
            guard let (front, blobs) = try? readAll(folder.file("b.tar")) else { continue }
            for (digest, bytes) in front.manifests { #expect(Digest.of(bytes) == digest) }
            #expect(Set(blobs.keys) == Set(front.blobs.keys))
        }
    }

    @Test("a writer refuses what its manifests do not promise, and leaves nothing")
    func writer() throws {
        let sample = try SampleBundle()
        let (digest, bytes) = try #require(sample.blobs.max { $0.value.count < $1.value.count })
        do {
            let writer = try BundleWriter(path: folder.file("a.tar"), compression: .none, front: sample.front)
            #expect(throws: BundleError.self) { try writer.begin(.of([9])) }
            #expect(throws: BundleError.self) { try writer.finish() }
            try writer.begin(digest)
            #expect(throws: BundleError.self) { try writer.begin(digest) }
            try [UInt8](repeating: 7, count: bytes.count).withUnsafeBytes { try writer.append($0) }
            #expect(throws: BundleError.self) { try [UInt8(0)].withUnsafeBytes { try writer.append($0) } }
            #expect(throws: BundleError.self, "it is not what the digest names") { try writer.end() }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test("an archive of nothing that is enormous when unpacked is refused by its promise")
    func bomb() throws {
        let sample = try SampleBundle()
        var writer = try ArchiveWriter(path: folder.file("bomb.tar"), compression: .zstd)
        for entry in try sample.entries().dropLast(2) {
            try writer.add(try #require(ArchivePath(entry.name)), entry.bytes)
        }
        let zeros = [UInt8](repeating: 0, count: 64 * 1024 * 1024)
        let name = try #require(sample.blobs.keys.first)
        try writer.add(.blob(name), zeros)
        try writer.finish()
        let error = #expect(throws: BundleError.self) { try readAll(folder.file("bomb.tar")) }
        #expect(error?.reason == .sizeMismatch)
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file("bomb.tar"))).count < 100_000)
    }
}
