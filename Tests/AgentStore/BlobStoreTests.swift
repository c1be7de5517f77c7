import AgentStore
import Foundation
import MartletTypes
import TestSupport
import Testing

@Suite("The blob store")
struct BlobStoreTests {
    let scene: Scene
    let store: AgentStore

    init() async throws {
        scene = try Scene()
        store = try await scene.open()
    }

    private func content(_ digest: Digest) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: scene.layout.blob(digest))))
    }

    @Test("keeps what was fetched in pieces under its digest, read-only, and leaves nothing else")
    func fetched() async throws {
        let bytes = Sample.bytes(300_000, seed: 1)
        let digest = try await store.blobs.bring(bytes, pieces: 7)
        #expect(try content(digest) == bytes)
        #expect(scene.layout.blob(digest) == "\(scene.root)/blobs/sha256/\(digest.hex)")
        #expect(store.files.status(scene.layout.blob(digest))?.mode == 0o444)
        #expect(try store.files.names(in: scene.layout.partial).isEmpty)
        #expect(store.blobs.has(digest))
        #expect(store.blobs.has(digest, size: ByteCount(bytes.count)))
        #expect(!store.blobs.has(digest, size: ByteCount(bytes.count + 1)))
    }

    @Test("goes on from what an earlier run left, whatever length that had", arguments: [0, 1, 4096, 99_999, 100_000])
    func resumed(length: Int) async throws {
        let bytes = Sample.bytes(100_000, seed: 2)
        let digest = Digest.of(bytes)
        let first = try await store.blobs.open(digest, size: ByteCount(bytes.count))
        try first.append(bytes[..<length])
        first.close()
        await store.close()
        let again = BlobStore(layout: scene.layout, files: RealFileSystem())
        #expect(again.partialSize(digest) == ByteCount(length))
        let second = try await again.open(digest, size: ByteCount(bytes.count))
        #expect(second.offset == ByteCount(length))
        try second.append(bytes[length...])
        try await again.commit(second)
        #expect(try content(digest) == bytes)
        #expect(again.partialSize(digest) == .zero)
    }

    @Test("hashes again what an earlier run left, so that rot in it is found, removed and fetched anew")
    func rottenPartial() async throws {
        let bytes = Sample.bytes(50_000, seed: 3)
        let digest = Digest.of(bytes)
        let first = try await store.blobs.open(digest, size: ByteCount(bytes.count))
        try first.append(bytes[..<30_000])
        first.close()
        var rotten = Array(try Data(contentsOf: URL(fileURLWithPath: scene.layout.partial(digest))))
        rotten[12_345] ^= 1
        try Data(rotten).write(to: URL(fileURLWithPath: scene.layout.partial(digest)))
        let second = try await store.blobs.open(digest, size: ByteCount(bytes.count))
        try second.append(bytes[30_000...])
        #expect(await code { try await store.blobs.commit(second) } == .digestMismatch)
        #expect(store.blobs.partialSize(digest) == .zero)
        #expect(!store.blobs.has(digest))
        try await store.blobs.bring(bytes)
        #expect(try content(digest) == bytes)
    }

    @Test("refuses bytes of another digest, names both, and keeps nothing of them")
    func wrongDigest() async throws {
        let promised = Digest.of(Sample.bytes(1000, seed: 4))
        let sent = Sample.bytes(1000, seed: 5)
        let partial = try await store.blobs.open(promised, size: ByteCount(1000))
        try partial.append(sent)
        let error = await #expect(throws: AgentStoreError.self) { try await store.blobs.commit(partial) }
        #expect(error?.reason == .digestMismatch)
        #expect(error?.message.contains(promised.text) == true)
        #expect(error?.message.contains(Digest.of(sent).text) == true)
        #expect(error?.fault == .peer)
        #expect(!store.blobs.has(promised))
        #expect(try store.files.names(in: scene.layout.partial).isEmpty)
    }

    @Test("refuses a byte beyond the promised length and does not write it")
    func tooLong() async throws {
        let bytes = Sample.bytes(1000, seed: 6)
        let partial = try await store.blobs.open(Digest.of(bytes), size: ByteCount(1000))
        try partial.append(bytes[..<999])
        #expect(await code { try partial.append([1, 2]) } == .lengthMismatch)
        #expect(partial.offset == ByteCount(999))
        try partial.append(bytes[999...])
        try await store.blobs.commit(partial)
        #expect(try content(Digest.of(bytes)) == bytes)
    }

    @Test("keeps a fetch that ended too early, so that it goes on from there")
    func tooShort() async throws {
        let bytes = Sample.bytes(1000, seed: 7)
        let partial = try await store.blobs.open(Digest.of(bytes), size: ByteCount(1000))
        try partial.append(bytes[..<400])
        let error = await #expect(throws: AgentStoreError.self) { try await store.blobs.commit(partial) }
        #expect(error?.reason == .lengthMismatch)
        #expect(error?.message.contains("400 of 1000") == true)
        #expect(store.blobs.partialSize(Digest.of(bytes)) == ByteCount(400))
        try await store.blobs.bring(bytes)
        #expect(try content(Digest.of(bytes)) == bytes)
    }

    @Test("throws away an unfinished blob that is longer than promised, or no file at all")
    func impossiblePartial() async throws {
        let bytes = Sample.bytes(1000, seed: 8)
        let path = scene.layout.partial(Digest.of(bytes))
        try Data(Sample.bytes(1001, seed: 8)).write(to: URL(fileURLWithPath: path))
        let partial = try await store.blobs.open(Digest.of(bytes), size: ByteCount(1000))
        #expect(partial.offset == .zero)
        partial.close()
        try store.files.removeTree(path)
        try store.files.makeFolder(path, mode: 0o700)
        try store.files.link(path + "/x", to: "/etc/passwd")
        try await store.blobs.bring(bytes)
        try store.files.link(scene.layout.partial(Digest.of([1])), to: scene.layout.blob(Digest.of(bytes)))
        try await store.blobs.bring([1])
        #expect(try content(Digest.of(bytes)) == bytes)
        #expect(store.files.status(scene.layout.blob(Digest.of([1])))?.kind == .file)
    }

    @Test("commits a blob once: a second time is an error and changes nothing")
    func committedTwice() async throws {
        let bytes = Sample.bytes(1000, seed: 9)
        let partial = try await store.blobs.open(Digest.of(bytes), size: ByteCount(1000))
        try partial.append(bytes)
        try await store.blobs.commit(partial)
        #expect(await code { try await store.blobs.commit(partial) } == .storageFailed)
        #expect(try content(Digest.of(bytes)) == bytes)
    }

    @Test("keeps documents whole, read-only, once")
    func documents() async throws {
        let bytes = Array("{}".utf8)
        let digest = Digest.of(bytes)
        #expect(try await store.blobs.document(digest, limit: 100) == nil)
        try await store.blobs.put(bytes, as: digest)
        try await store.blobs.put(bytes, as: digest)
        #expect(try await store.blobs.document(digest, limit: 100) == bytes)
        #expect(store.files.status(scene.layout.blob(digest))?.mode == 0o444)
        #expect(await code { try await store.blobs.put([1], as: digest) } == .digestMismatch)
        #expect(await code { _ = try await store.blobs.document(digest, limit: 1) } == .malformed)
        let sha512 = Digest.of(bytes, .sha512)
        try await store.blobs.put(bytes, as: sha512)
        #expect(try await store.blobs.document(sha512, limit: 100) == bytes)
        #expect(scene.layout.blob(sha512).hasPrefix("\(scene.root)/blobs/sha512/"))
    }

    @Test("puts a rotten document aside when it is read, so that it is fetched again")
    func rottenDocument() async throws {
        let bytes = Array("{\"a\":1}".utf8)
        let digest = Digest.of(bytes)
        try await store.blobs.put(bytes, as: digest)
        try Data("{\"a\":2}".utf8).write(to: URL(fileURLWithPath: scene.layout.blob(digest)))
        #expect(try await store.blobs.document(digest, limit: 100) == nil)
        #expect(!store.blobs.has(digest))
        #expect(try store.files.names(in: scene.layout.quarantine) == ["1-\(digest.hex)"])
        try await store.blobs.put(bytes, as: digest)
        #expect(try await store.blobs.document(digest, limit: 100) == bytes)
    }
}
