private import Dispatch
package import MartletTypes
private import Synchronization

/// Blobs as files under one folder: `blobs/sha256/ab/ab12…`, uploads beside them on the same file system.
///
/// Paths are made of a `Digest` or an `UploadID` only. All file work runs on Dispatch's threads, none on the
/// cooperative pool; the work of one upload runs on a serial queue of its own.
package final class FileBlobStore: BlobStore {
    private struct Upload {
        let queue: DispatchQueue
        var session: UploadSession?
        var isBusy = false
    }

    private let root: String
    private let uploads = Mutex<[UploadID: Upload]>([:])
    private let queue = DispatchQueue(label: "martlet.blobs", attributes: .concurrent)
    private let newID: @Sendable () -> UploadID

    /// Opens the folder, making it where it is absent; uploads that an earlier process left can go on.
    package init(
        folder: String,
        newID: @escaping @Sendable () -> UploadID = {
            var generator = SystemRandomNumberGenerator()
            return UploadID(random: &generator)
        }
    ) throws {
        root = folder
        self.newID = newID
        for algorithm in Digest.Algorithm.allCases {
            try FileDescriptor.makeFolder("\(folder)/blobs/\(algorithm.rawValue)")
        }
        try FileDescriptor.makeFolder("\(folder)/uploads")
    }

    /// The file that holds a blob, there or not, in the store of a folder.
    package static func path(of digest: Digest, in folder: String) -> String {
        "\(shard(of: digest, in: folder))/\(digest.hex)"
    }

    private static func shard(of digest: Digest, in folder: String) -> String {
        "\(folder)/blobs/\(digest.algorithm.rawValue)/\(digest.hex.prefix(2))"
    }

    func path(of digest: Digest) -> String { Self.path(of: digest, in: root) }

    private func shard(of digest: Digest) -> String { Self.shard(of: digest, in: root) }

    private func path(of upload: UploadID) -> String { "\(root)/uploads/\(upload.text)" }

    package func size(of digest: Digest) async throws -> ByteCount? {
        let path = path(of: digest)
        return try await Self.run(on: queue) { try FileDescriptor.status(path).map { ByteCount($0.size) } }
    }

    package func source(of digest: Digest) async throws -> BlobSource? {
        let size = try await size(of: digest)
        return size.map { .file(path: path(of: digest), size: $0) }
    }

    package func delete(_ digest: Digest) async throws -> Bool {
        let (path, shard) = (path(of: digest), shard(of: digest))
        return try await Self.run(on: queue) {
            guard try FileDescriptor.remove(path) else { return false }
            try FileDescriptor.synchronizeFolder(shard)
            return true
        }
    }

    package func beginUpload() async throws -> UploadID {
        let id = newID()
        let work = DispatchQueue(label: "martlet.upload", target: queue)
        try uploads.withLock { uploads in
            guard uploads.count < StoreLimits.openUploads else {
                throw StoreError(.tooMany, "\(StoreLimits.openUploads) uploads are open.")
            }
            uploads[id] = Upload(queue: work, isBusy: true)
        }
        let path = path(of: id)
        do {
            let session = try await Self.run(on: work) { try UploadSession(path: path, isNew: true) }
            uploads.withLock { $0[id] = Upload(queue: work, session: session) }
        } catch {
            uploads.withLock { $0[id] = nil }
            throw error
        }
        return id
    }

    package func uploadOffset(of upload: UploadID) async throws -> ByteCount {
        try await using(upload) { ByteCount($0.offset) }
    }

    package func append(_ bytes: [UInt8], at offset: ByteCount, to upload: UploadID) async throws -> ByteCount {
        try await using(upload) { session in
            try session.append(bytes, at: offset.bytes)
            return ByteCount(session.offset)
        }
    }

    package func finishUpload(_ upload: UploadID, as digest: Digest) async throws -> ByteCount {
        let (target, shard) = (path(of: digest), shard(of: digest))
        let parent = "\(root)/blobs/\(digest.algorithm.rawValue)"
        return try await using(upload, endsIt: true) { session in
            let found = try session.finish(digest.algorithm)
            guard found == digest else {
                _ = try FileDescriptor.remove(session.path)
                throw StoreError(.digestMismatch, "The upload hashes to \(found), not to \(digest).")
            }
            try FileDescriptor.makeFolder(shard)
            try FileDescriptor.rename(session.path, to: target)
            try FileDescriptor.synchronizeFolder(shard)
            try FileDescriptor.synchronizeFolder(parent)
            return ByteCount(session.offset)
        }
    }

    package func abortUpload(_ upload: UploadID) async throws {
        try await using(upload, endsIt: true) { _ = try FileDescriptor.remove($0.path) }
    }

    package func expireUploads(untouchedSince moment: Timestamp) async throws -> Int {
        let folder = "\(root)/uploads"
        let stale = try await Self.run(on: queue) {
            try FileDescriptor.names(in: folder).filter { name in
                guard let status = try FileDescriptor.status("\(folder)/\(name)") else { return false }
                return status.modified < moment
            }
        }
        var count = 0
        for name in stale {
            guard let id = try? UploadID(name) else {
                count += try await Self.run(on: queue) { try FileDescriptor.remove("\(folder)/\(name)") } ? 1 : 0
                continue
            }
            do {
                try await abortUpload(id)
                count += 1
            } catch let error as StoreError where error.kind == .uploadUnknown || error.kind == .uploadBusy {
                continue
            }
        }
        return count
    }

    /// Runs `body` on the upload's own queue while no other call uses it.
    private func using<Value: Sendable>(
        _ id: UploadID, endsIt: Bool = false, _ body: @escaping @Sendable (UploadSession) throws -> Value
    ) async throws -> Value {
        let (work, known) = try uploads.withLock { uploads -> (DispatchQueue, UploadSession?) in
            var upload = uploads[id] ?? Upload(queue: DispatchQueue(label: "martlet.upload", target: queue))
            guard !upload.isBusy else {
                throw StoreError(.uploadBusy, "Another request writes to upload \(id).")
            }
            guard uploads[id] != nil || uploads.count < StoreLimits.openUploads else {
                throw StoreError(.tooMany, "\(StoreLimits.openUploads) uploads are open.")
            }
            upload.isBusy = true
            uploads[id] = upload
            return (upload.queue, upload.session)
        }
        // What the table holds afterwards: nothing for an upload that ended or never was.
        var session: UploadSession?
        defer { uploads.withLock { $0[id] = session.map { Upload(queue: work, session: $0) } } }
        let path = path(of: id)
        let opened = try await Self.run(on: work) {
            if let known { return known }
            guard try FileDescriptor.status(path) != nil else {
                throw StoreError(.uploadUnknown, "There is no upload \(id).")
            }
            return try UploadSession(path: path, isNew: false)
        }
        do {
            let value = try await Self.run(on: work) { try body(opened) }
            session = endsIt ? nil : opened
            return value
        } catch {
            let isGone = (error as? StoreError)?.kind == .digestMismatch
            session = isGone ? nil : opened
            throw error
        }
    }

    private static func run<Value: Sendable>(
        on queue: DispatchQueue, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }
}
