import AgentStore
import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing

@Suite("Writing a blob where the disk does not play along")
struct BlobWriterTests {
    let scene: Scene
    let files = FaultyFileSystem()
    let blobs: BlobStore

    init() async throws {
        scene = try Scene()
        await (try await scene.open()).close()
        blobs = BlobStore(layout: scene.layout, files: files)
    }

    private func content(_ digest: Digest) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: scene.layout.blob(digest))))
    }

    @Test("never commits after a piece was written in part: what is on the disk is not what was hashed")
    func brokenWrite() async throws {
        let bytes = Sample.bytes(10_000, seed: 10)
        let partial = try await blobs.open(Digest.of(bytes), size: ByteCount(10_000))
        files.set(.fails(at: 1, errno: ENOSPC))
        #expect(await code { try partial.append(bytes[..<5_000]) } == .diskFull)
        // A caller that goes on all the same.
        #expect(await code { try partial.append(bytes[..<5_000]) } == .storageFailed)
        #expect(await code { try await blobs.commit(partial) } != nil)
        #expect(!blobs.has(partial.digest))
        partial.close()
        let again = try await blobs.open(partial.digest, size: partial.size)
        #expect(again.offset == ByteCount(2_500))
        try again.append(bytes[2_500...])
        try await blobs.commit(again)
        #expect(try content(partial.digest) == bytes)
    }

    @Test("fetches anew what the disk failed to synchronise: reading it back may show what is not there")
    func brokenSynchronisation() async throws {
        let bytes = Sample.bytes(1000, seed: 11)
        let partial = try await blobs.open(Digest.of(bytes), size: ByteCount(1000))
        try partial.append(bytes)
        files.set(.fails(at: 1, errno: EIO))
        #expect(await code { try await blobs.commit(partial) } == .storageFailed)
        #expect(blobs.partialSize(partial.digest) == .zero)
        #expect(!blobs.has(partial.digest))
        try await blobs.bring(bytes)
        #expect(try content(partial.digest) == bytes)
    }

    @Test("lets one write a blob at a time; the next may when the first is done or gone")
    func oneWriter() async throws {
        let bytes = Sample.bytes(1000, seed: 12)
        let digest = Digest.of(bytes)
        var first: PartialBlob? = try await blobs.open(digest, size: ByteCount(1000))
        #expect(await code { _ = try await blobs.open(digest, size: ByteCount(1000)) } == .busy)
        try first?.append(bytes[..<10])
        first?.close()
        let second = try await blobs.open(digest, size: ByteCount(1000))
        #expect(second.offset == ByteCount(10))
        second.close()
        first = try await blobs.open(digest, size: ByteCount(1000))
        first = nil
        try await blobs.bring(bytes)
        let third = try await blobs.open(digest, size: ByteCount(1000))
        third.close()
        #expect(try content(digest) == bytes)
    }

    @Test(
        "goes on as an ordinary user where it failed between making a blob read-only and putting it into place",
        arguments: [false, true])
    func readOnlyLeftover(isDocument: Bool) async throws {
        let bytes = Sample.bytes(1000, seed: 13)
        let digest = Digest.of(bytes)
        func bring() async throws {
            if isDocument { try await blobs.put(bytes, as: digest) } else { try await blobs.bring(bytes, pieces: 1) }
        }
        try await bring()
        let renames = files.changes.indices.filter { files.changes[$0].hasPrefix("rename") }
        #expect(!renames.isEmpty)
        for index in renames {
            try RealFileSystem().remove(scene.layout.blob(digest))
            files.set(.fails(at: index + 1, errno: EIO))
            #expect(await code { try await bring() } == .storageFailed)
            files.set(.none)
            try await bring()
            #expect(try content(digest) == bytes)
            #expect(files.status(scene.layout.blob(digest))?.mode == 0o444)
        }
    }
}
