import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing

@testable import RegistryStore

/// A blob store under test and how to open it again after its process died.
struct BlobStoreSubject: Sendable, CustomTestStringConvertible {
    let name: String
    let open: @Sendable (TemporaryFolder) throws -> any BlobStore
    var testDescription: String { name }

    static let all = [
        BlobStoreSubject(name: "files") { try FileBlobStore(folder: $0.file("blobs")) }
    ]
}

/// What every blob store does, whatever stands behind it.
@Suite("Every blob store", .serialized)
struct BlobStoreBehaviour {
    private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

    private func read(_ source: BlobSource?) async throws -> [UInt8]? {
        switch source {
        case nil: nil
        case .file(let path, _): Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        case .stream(let size, let read): try await read(0..<size.bytes)
        case .redirect: throw StoreError(.ioFailed, "the suite follows no redirects")
        }
    }

    @Test("keeps what was uploaded in pieces, and nothing before the end", arguments: BlobStoreSubject.all)
    func upload(_ subject: BlobStoreSubject) async throws {
        let folder = try TemporaryFolder()
        let store = try subject.open(folder)
        let content = bytes(200_000)
        let digest = Digest.of(content)
        let upload = try await store.beginUpload()
        #expect(try await store.uploadOffset(of: upload) == .zero)
        #expect(try await store.append(Array(content[..<70_000]), at: .zero, to: upload) == ByteCount(70_000))
        #expect(try await store.append([], at: ByteCount(70_000), to: upload) == ByteCount(70_000))
        #expect(
            try await store.append(Array(content[70_000...]), at: ByteCount(70_000), to: upload) == ByteCount(200_000))
        #expect(try await store.size(of: digest) == nil)
        #expect(try await store.source(of: digest) == nil)
        #expect(try await store.finishUpload(upload, as: digest) == ByteCount(200_000))
        #expect(try await store.size(of: digest) == ByteCount(200_000))
        #expect(try await read(store.source(of: digest)) == content)
        #expect(await code { try await store.uploadOffset(of: upload) } == .uploadUnknown)
        #expect(try await store.delete(digest))
        #expect(try await !store.delete(digest))
        #expect(try await store.size(of: digest) == nil)
    }

    @Test("takes the empty blob, and digests by SHA-512", arguments: BlobStoreSubject.all)
    func oddBlobs(_ subject: BlobStoreSubject) async throws {
        let folder = try TemporaryFolder()
        let store = try subject.open(folder)
        let empty = try await store.beginUpload()
        #expect(try await store.finishUpload(empty, as: Digest.of([])) == .zero)
        #expect(try await store.size(of: Digest.of([])) == .zero)
        let upload = try await store.beginUpload()
        _ = try await store.append([1, 2, 3], at: .zero, to: upload)
        let long = Digest.of([1, 2, 3], .sha512)
        #expect(try await store.finishUpload(upload, as: long) == ByteCount(3))
        #expect(try await read(store.source(of: long)) == [1, 2, 3])
    }

    @Test("refuses bytes with another digest and forgets them", arguments: BlobStoreSubject.all)
    func mismatch(_ subject: BlobStoreSubject) async throws {
        let folder = try TemporaryFolder()
        let store = try subject.open(folder)
        let upload = try await store.beginUpload()
        _ = try await store.append([1, 2, 3], at: .zero, to: upload)
        #expect(await code { try await store.finishUpload(upload, as: Digest.of([4])) } == .digestMismatch)
        #expect(try await store.size(of: Digest.of([4])) == nil)
        #expect(try await store.size(of: Digest.of([1, 2, 3])) == nil)
        #expect(await code { try await store.uploadOffset(of: upload) } == .uploadUnknown)
    }

    @Test(
        "refuses a chunk that does not start where the upload stands, and stays there", arguments: BlobStoreSubject.all)
    func offsets(_ subject: BlobStoreSubject) async throws {
        let folder = try TemporaryFolder()
        let store = try subject.open(folder)
        let upload = try await store.beginUpload()
        _ = try await store.append([1, 2, 3], at: .zero, to: upload)
        for offset in [0, 2, 4, -1] {
            #expect(await code { try await store.append([9], at: ByteCount(offset), to: upload) } == .uploadOffset)
        }
        #expect(try await store.uploadOffset(of: upload) == ByteCount(3))
        #expect(try await store.finishUpload(upload, as: Digest.of([1, 2, 3])) == ByteCount(3))
    }

    @Test("knows no upload that was never begun, ended, or aborted", arguments: BlobStoreSubject.all)
    func unknownUploads(_ subject: BlobStoreSubject) async throws {
        let folder = try TemporaryFolder()
        let store = try subject.open(folder)
        let upload = try await store.beginUpload()
        try await store.abortUpload(upload)
        for unknown in [upload, try UploadID(String(repeating: "0", count: 32))] {
            #expect(await code { try await store.append([1], at: .zero, to: unknown) } == .uploadUnknown)
            #expect(await code { try await store.finishUpload(unknown, as: Digest.of([])) } == .uploadUnknown)
            #expect(await code { try await store.abortUpload(unknown) } == .uploadUnknown)
        }
    }

    @Test("goes on with an upload after its process died", arguments: BlobStoreSubject.all)
    func resumes(_ subject: BlobStoreSubject) async throws {
        let folder = try TemporaryFolder()
        let content = bytes(3_000_000)
        let upload: UploadID
        do {
            let store = try subject.open(folder)
            upload = try await store.beginUpload()
            _ = try await store.append(Array(content[..<1_500_000]), at: .zero, to: upload)
        }
        let store = try subject.open(folder)
        let offset = try await store.uploadOffset(of: upload)
        #expect(offset == ByteCount(1_500_000))
        _ = try await store.append(Array(content[1_500_000...]), at: offset, to: upload)
        #expect(try await store.finishUpload(upload, as: Digest.of(content)) == ByteCount(3_000_000))
    }

    @Test("lets many upload at once, the same blob too", arguments: BlobStoreSubject.all)
    func concurrent(_ subject: BlobStoreSubject) async throws {
        let folder = try TemporaryFolder()
        let store = try subject.open(folder)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<24 {
                group.addTask {
                    let content = [UInt8](repeating: UInt8(index % 6), count: 50_000)
                    let upload = try await store.beginUpload()
                    _ = try await store.append(Array(content[..<20_000]), at: .zero, to: upload)
                    _ = try await store.append(Array(content[20_000...]), at: ByteCount(20_000), to: upload)
                    _ = try await store.finishUpload(upload, as: Digest.of(content))
                }
            }
            try await group.waitForAll()
        }
        for index in 0..<6 {
            let content = [UInt8](repeating: UInt8(index), count: 50_000)
            #expect(try await read(store.source(of: Digest.of(content))) == content)
        }
    }

    @Test("throws away uploads that nobody goes on with, and no others", arguments: BlobStoreSubject.all)
    func expiry(_ subject: BlobStoreSubject) async throws {
        let folder = try TemporaryFolder()
        let store = try subject.open(folder)
        let upload = try await store.beginUpload()
        #expect(try await store.expireUploads(untouchedSince: Timestamp(seconds: 1)) == 0)
        #expect(try await store.uploadOffset(of: upload) == .zero)
        #expect(try await store.expireUploads(untouchedSince: Timestamp(seconds: 99_999_999_999)) == 1)
        #expect(await code { try await store.uploadOffset(of: upload) } == .uploadUnknown)
    }
}

@Suite("Blobs as files", .serialized)
struct FileBlobStoreTests {
    @Test("lie under paths that are made of digests only; names from outside never become one")
    func hostileNames() throws {
        for text in ["sha256:../../etc/passwd", "../x", "sha256:" + String(repeating: "A", count: 64), "sha256:", ""] {
            #expect(throws: InvalidValue.self) { try Digest(text) }
        }
        for text in ["..", "../../../../../../../../../../etc/p", String(repeating: "/", count: 32), ""] {
            #expect(throws: InvalidValue.self) { try UploadID(text) }
        }
        let folder = try TemporaryFolder()
        let store = try FileBlobStore(folder: folder.path)
        let digest = Digest.of([1])
        #expect(store.path(of: digest) == "\(folder.path)/blobs/sha256/\(digest.hex.prefix(2))/\(digest.hex)")
    }

    @Test("are not followed through links that someone put in their place")
    func links() async throws {
        let folder = try TemporaryFolder()
        let store = try FileBlobStore(folder: folder.path)
        let digest = Digest.of([1])
        let path = store.path(of: digest)
        try FileManager.default.createDirectory(
            atPath: String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/etc/passwd")
        #expect(try await store.size(of: digest) == nil)
    }

    @Test("a second writer of the same upload is refused while the first is at work")
    func busy() async throws {
        let folder = try TemporaryFolder()
        let store = try FileBlobStore(folder: folder.path)
        let upload = try await store.beginUpload()
        let chunk = [UInt8](repeating: 7, count: 4_000_000)
        let outcomes = await withTaskGroup(of: StoreError.Code?.self) { group in
            for _ in 0..<8 {
                group.addTask { await code { try await store.append(chunk, at: .zero, to: upload) } }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 == nil }.count == 1)
        #expect(outcomes.allSatisfy { $0 == nil || $0 == .uploadBusy || $0 == .uploadOffset })
        #expect(try await store.uploadOffset(of: upload) == ByteCount(4_000_000))
    }

    @Test("what a power cut left of an upload becomes a blob only if it is what was promised")
    func tornUpload() async throws {
        let folder = try TemporaryFolder()
        let upload: UploadID
        do {
            let store = try FileBlobStore(folder: folder.path)
            upload = try await store.beginUpload()
            _ = try await store.append([UInt8](repeating: 3, count: 5000), at: .zero, to: upload)
        }
        let path = folder.file("uploads/\(upload)")
        var torn = try Data(contentsOf: URL(fileURLWithPath: path))
        torn.replaceSubrange(4096..<5000, with: Data(count: 904))
        try torn.write(to: URL(fileURLWithPath: path))
        let store = try FileBlobStore(folder: folder.path)
        let digest = Digest.of([UInt8](repeating: 3, count: 5000))
        #expect(await code { try await store.finishUpload(upload, as: digest) } == .digestMismatch)
        #expect(try await store.size(of: digest) == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("uploads")).isEmpty)
    }

    @Test("a rotten blob is healed by uploading it again")
    func heals() async throws {
        let folder = try TemporaryFolder()
        let store = try FileBlobStore(folder: folder.path)
        let digest = Digest.of([1, 2, 3])
        for _ in 0..<2 {
            let upload = try await store.beginUpload()
            _ = try await store.append([1, 2, 3], at: .zero, to: upload)
            _ = try await store.finishUpload(upload, as: digest)
            let content = try Data(contentsOf: URL(fileURLWithPath: store.path(of: digest)))
            #expect(Array(content) == [1, 2, 3])
            try Data([1, 9, 3]).write(to: URL(fileURLWithPath: store.path(of: digest)))
        }
    }

    @Test(
        "a full disk is named, leaves the upload where it stood, and it goes on when there is room",
        .enabled(if: SmallDisk.isPossible, "a small tmpfs can be mounted only by root outside a sandbox"))
    func diskFull() async throws {
        let disk = try SmallDisk(kibibytes: 256)
        let store = try FileBlobStore(folder: disk.path)
        let filler = disk.path + "/filler"
        try Data(count: 100_000).write(to: URL(fileURLWithPath: filler))
        let content = [UInt8](repeating: 5, count: 120_000)
        let upload = try await store.beginUpload()
        _ = try await store.append(Array(content[..<60_000]), at: .zero, to: upload)
        let big = [UInt8](repeating: 6, count: 200_000)
        #expect(await code { try await store.append(big, at: ByteCount(60_000), to: upload) } == .diskFull)
        #expect(try await store.uploadOffset(of: upload) == ByteCount(60_000))
        try FileManager.default.removeItem(atPath: filler)
        _ = try await store.append(Array(content[60_000...]), at: ByteCount(60_000), to: upload)
        #expect(try await store.finishUpload(upload, as: Digest.of(content)) == ByteCount(120_000))
    }

    @Test(
        "a database on a full disk says so, loses nothing, and goes on when there is room",
        .enabled(if: SmallDisk.isPossible, "a small tmpfs can be mounted only by root outside a sandbox"))
    func databaseFull() async throws {
        let disk = try SmallDisk(kibibytes: 4096)
        let database = try SQLiteDatabase(path: disk.path + "/r.sqlite")
        _ = try await Migrator(Migration.shipped()).run(on: database, now: Timestamp(seconds: 1))
        let big = [UInt8](repeating: 1, count: 300_000)
        var kept = 0
        var failure: StoreError.Code?
        for number in 0..<40 where failure == nil {
            failure = await code {
                try await database.write { sql in
                    try MetadataStore(sql).putTarget("t/\(number)", big, now: Timestamp(seconds: 1))
                }
            }
            if failure == nil { kept += 1 }
        }
        #expect(failure == .diskFull)
        let count = try await database.read { try $0.first("SELECT COUNT(*) AS c FROM tuf_targets", [])?.integer("c") }
        #expect(count == Int64(kept))
        try database.close()
    }
}
