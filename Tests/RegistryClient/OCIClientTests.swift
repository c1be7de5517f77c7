import Foundation
import MartletTypes
import RegistryClient
import Synchronization
import TestSupport
import Testing

@Suite("OCI client")
struct OCIClientTests {
    static let chunkBytes = 64 * 1024
    let repository: RepositoryName
    /// Two and a half chunks.
    let bytes: [UInt8]
    let digest: Digest
    let folder: TemporaryFolder

    init() throws {
        repository = try RepositoryName("a/b")
        bytes = (0..<(Self.chunkBytes * 5 / 2)).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 8)) }
        digest = Digest.of(bytes)
        folder = try TemporaryFolder()
        try Data(bytes).write(to: URL(fileURLWithPath: folder.file("blob")))
    }

    private func upload(
        _ registry: BlobRegistry, mountingFrom source: RepositoryName? = nil,
        body: (OCIClient, ScriptedServer, UploadJournal) async throws -> Void
    ) async throws {
        let journal = try UploadJournal(folder: folder.file("journal"))
        try await withClient(script: { registry.script($0, $1) }) { client, server in
            try await body(OCIClient(http: client, chunkBytes: Self.chunkBytes) { _ in }, server, journal)
        }
    }

    private func send(_ oci: OCIClient, _ journal: UploadJournal?) async throws -> UploadOutcome {
        try await oci.upload(
            .file(path: folder.file("blob")), digest: digest, size: ByteCount(bytes.count), to: repository,
            journal: journal)
    }

    @Test("a blob goes up in chunks, and is not sent again")
    func chunks() async throws {
        let registry = BlobRegistry()
        try await upload(registry) { oci, server, journal in
            let reports = Mutex<[Int64]>([])
            let outcome = try await oci.upload(
                .file(path: folder.file("blob")), digest: digest, size: ByteCount(bytes.count), to: repository,
                journal: journal, progress: { done in reports.withLock { $0.append(done) } })
            #expect(outcome == .uploaded(resumedAt: 0))
            #expect(registry.state.withLock { $0.blobs[digest.text] } == bytes)
            #expect(server.requests.map(\.method) == ["HEAD", "POST", "PATCH", "PATCH", "PATCH", "PUT"])
            let chunk = Int64(Self.chunkBytes)
            #expect(reports.withLock { $0 } == [0, chunk, 2 * chunk, Int64(bytes.count)])
            let again = try await send(oci, journal)
            #expect(again == .existing)
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.file("journal"))
            #expect(left.isEmpty)
        }
    }

    @Test(
        "an upload survives what happens on the way",
        arguments: [
            [3: BlobRegistry.Fault.dropRequest], [3: .dropAnswer], [4: .busy, 5: .busy, 6: .dropRequest],
            [6: .dropAnswer],
            [6: .busy], [4: .forgetSession], [3: .dropAnswer, 4: .dropRequest, 5: .busy],
        ])
    func faults(faults: [Int: BlobRegistry.Fault]) async throws {
        let registry = BlobRegistry()
        registry.state.withLock { $0.faults = faults }
        try await upload(registry) { oci, _, journal in
            _ = try await send(oci, journal)
            #expect(registry.state.withLock { $0.blobs[digest.text] } == bytes)
        }
    }

    @Test("a killed upload goes on where it stood")
    func resumes() async throws {
        let registry = BlobRegistry()
        registry.state.withLock { $0.faults = Dictionary(uniqueKeysWithValues: (5...40).map { ($0, .dropRequest) }) }
        try await upload(registry) { oci, _, journal in
            let code = try await clientCode { _ = try await send(oci, journal) }
            #expect(code == .connectionLost)
            registry.state.withLock { $0.faults = [:] }
            let outcome = try await send(oci, journal)
            #expect(outcome == .uploaded(resumedAt: Int64(2 * Self.chunkBytes)))
            #expect(registry.state.withLock { $0.blobs[digest.text] } == bytes)
        }
    }

    @Test("a remembered upload that the registry forgot starts over")
    func forgotten() async throws {
        let registry = BlobRegistry()
        registry.state.withLock { $0.faults = Dictionary(uniqueKeysWithValues: (5...40).map { ($0, .dropRequest) }) }
        try await upload(registry) { oci, _, journal in
            _ = try? await send(oci, journal)
            registry.state.withLock {
                $0.faults = [:]
                $0.sessions = [:]
            }
            let outcome = try await send(oci, journal)
            #expect(outcome == .uploaded(resumedAt: 0))
        }
    }

    @Test("a way that stays broken ends the upload after a bounded number of attempts")
    func bounded() async throws {
        let registry = BlobRegistry()
        registry.state.withLock { $0.faults = Dictionary(uniqueKeysWithValues: (3...99).map { ($0, .busy) }) }
        try await upload(registry) { oci, server, journal in
            let code = try await clientCode { _ = try await send(oci, journal) }
            #expect(code == .unexpectedStatus)
            #expect(server.requests.count < 20)
        }
    }

    @Test("a file that is not what its digest says is refused and not kept")
    func wrongDigest() async throws {
        let registry = BlobRegistry()
        try await upload(registry) { oci, _, journal in
            let code = try await clientCode {
                _ = try await oci.upload(
                    .bytes([1, 2, 3]), digest: digest, size: ByteCount(3), to: repository, journal: journal)
            }
            #expect(code == .unexpectedStatus)
            #expect(registry.state.withLock { $0.blobs.isEmpty })
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.file("journal"))
            #expect(left.isEmpty)
        }
    }

    @Test("an upload that is sent to another origin is refused")
    func foreignLocation() async throws {
        let registry = BlobRegistry()
        registry.state.withLock { $0.location = { "https://evil.example" + $0 } }
        try await upload(registry) { oci, _, journal in
            let code = try await clientCode { _ = try await send(oci, journal) }
            #expect(code == .foreignOrigin)
        }
    }

    @Test("a blob of another repository is taken over, or it is said that it is not")
    func mounts() async throws {
        let registry = BlobRegistry()
        let source = try RepositoryName("c/d")
        try await upload(registry) { oci, server, _ in
            let code = try await clientCode { try await oci.mount(digest, from: source, to: repository) }
            #expect(code == .unexpectedStatus)
            registry.state.withLock { _ = $0.mountable.insert(digest.text) }
            try await oci.mount(digest, from: source, to: repository)
            let last = try #require(server.requests.last)
            #expect(last.target == "/v2/a/b/blobs/uploads/?mount=sha256%3A\(digest.hex)&from=c%2Fd")
        }
    }

    @Test(
        "a range comes back as exactly what was asked for, or is refused",
        arguments: [
            ("206 Partial Content", "bytes 2-4/10", [UInt8](2...4), nil as ClientError.Code?),
            ("206 Partial Content", "bytes 2-5/10", [2, 3, 4, 5], .malformedReply),
            ("206 Partial Content", "bytes 2-4/11", [2, 3, 4], .malformedReply),
            ("206 Partial Content", "bytes 2-4/10", [2, 3], .malformedReply),
            ("206 Partial Content", "bytes 2-4/10", [2, 3, 4, 5], .malformedReply),
            ("200 OK", "", [UInt8](0...9), .malformedReply),
            ("416 Range Not Satisfiable", "", [], .unexpectedStatus),
        ])
    func ranges(status: String, range: String, body: [UInt8], code: ClientError.Code?) async throws {
        try await withClient { _, _ in
            [.answer(status, fields: range.isEmpty ? [] : [("Content-Range", range)], body: body)]
        } body: { client, server in
            let got = Mutex<[UInt8]>([])
            let found = try await clientCode {
                try await OCIClient(http: client).download(digest, size: ByteCount(10), range: 2..<5, from: repository)
                {
                    piece in got.withLock { $0 += piece }
                }
            }
            #expect(found == code)
            if code == nil { #expect(got.withLock { $0 } == body) }
            #expect(server.requests.first?.fields["range"] == "bytes=2-4")
        }
    }

    @Test("a manifest that is not what its digest says is refused")
    func manifests() async throws {
        let good = Array("{}".utf8)
        try await withClient { request, _ in
            [.answer("200 OK", body: request.target.hasSuffix(Digest.of(good).text) ? good : Array("{ }".utf8))]
        } body: { client, _ in
            let oci = OCIClient(http: client)
            let bytes = try await oci.manifest(.of(good), in: repository)
            #expect(bytes == good)
            let code = try await clientCode { _ = try await oci.manifest(digest, in: repository) }
            #expect(code == .digestMismatch)
        }
    }
}

@Suite("File metadata store")
struct FileMetadataStoreTests {
    @Test(
        "roles of any name are kept apart and inside the folder",
        arguments: [
            "root", "../x", "?", "#", "/x", "", ".", "..", "a%2Fb", "a/b", String(repeating: "ü", count: 100),
            "%sha256-0",
        ])
    func names(role: String) throws {
        let folder = try TemporaryFolder()
        let store = try FileMetadataStore(folder: folder.file("deep/er"))
        #expect(try store.load(role) == nil)
        try store.save(role, [1, 2])
        try store.save(role, [3])
        try store.save("other", [4])
        #expect(try store.load(role) == [3])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("deep/er")).count == 2)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("deep")) == ["er"])
        try store.remove(role)
        try store.remove(role)
        #expect(try store.load(role) == nil)
        #expect(try store.load("other") == [4])
    }

    @Test("two commands of one operator may write at once: each file is one of theirs, whole")
    func shared() async throws {
        let folder = try TemporaryFolder()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 as Range<UInt8> {
                // A store of its own for each, as two processes have.
                let store = try FileMetadataStore(folder: folder.file("tuf"))
                group.addTask {
                    for _ in 0..<50 { try store.save("timestamp", [UInt8](repeating: writer, count: 5000)) }
                }
            }
            try await group.waitForAll()
        }
        let bytes = try #require(try FileMetadataStore(folder: folder.file("tuf")).load("timestamp"))
        #expect(bytes.count == 5000 && Set(bytes).count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("tuf")) == ["timestamp.json"])
    }

    @Test("a folder that cannot be written is named")
    func unwritable() throws {
        let folder = try TemporaryFolder()
        try Data().write(to: URL(fileURLWithPath: folder.file("file")))
        #expect(throws: ClientError.self) { try FileMetadataStore(folder: folder.file("file/x")) }
    }
}
