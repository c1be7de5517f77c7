internal import Dispatch
internal import Glibc
internal import MartletTypes
internal import RegistryClient

/// Runs work that blocks on a thread of its own queue, away from Swift's cooperative pool.
func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue.global().async { continuation.resume(with: Result(catching: work)) }
    }
}

/// A file of the publisher.
enum LocalFile {
    /// The part of a path after its last slash.
    static func name(_ path: String) -> String {
        path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
    }

    /// The length of a file.
    static func size(_ path: String) throws(PublishError) -> ByteCount {
        let descriptor = try open(path)
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else {
            throw PublishError(
                .fileUnreadable, "\(path) is no file with content.", remedy: "Give the path of a model's file.")
        }
        return ByteCount(Int64(status.st_size))
    }

    /// Digest and length of a file, read once.
    static func digest(
        _ path: String, progress: @escaping @Sendable (_ done: Int64, _ total: Int64) -> Void
    ) async throws -> (digest: Digest, size: ByteCount) {
        try await blocking { try hash(path, progress) }
    }

    /// Apart from the closure above: capturing the hasher there crashes the optimiser of Swift 6.3.1.
    private static func hash(
        _ path: String, _ progress: (_ done: Int64, _ total: Int64) -> Void
    ) throws(PublishError) -> (digest: Digest, size: ByteCount) {
        let descriptor = try open(path)
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw unreadable(path) }
        let hasher = DigestHasher()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: PublishLimits.hashStepBytes, alignment: 64)
        defer { buffer.deallocate() }
        var done: Int64 = 0
        while true {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path) }
            if count == 0 { break }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            done += Int64(count)
            progress(done, Int64(status.st_size))
        }
        return (hasher.finish(), ByteCount(done))
    }

    /// The bytes of a small file in UTF-8; `what` names it in errors.
    static func text(_ path: String, what: String, limit: Int) async throws -> [UInt8] {
        let bytes = try await blocking { () throws -> [UInt8] in
            let descriptor = try open(path)
            defer { close(descriptor) }
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while bytes.count <= limit {
                let count = read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw unreadable(path) }
                if count == 0 { return bytes }
                bytes += buffer.prefix(count)
            }
            throw PublishError(
                .badFile, "The \(what) \(path) has more than \(limit) bytes.", remedy: "Give a shorter file.")
        }
        guard !bytes.isEmpty, String(validating: bytes, as: UTF8.self) != nil else {
            throw PublishError(
                .badFile, "The \(what) \(path) is \(bytes.isEmpty ? "empty" : "not UTF-8").",
                remedy: "Give a text file.")
        }
        return bytes
    }

    private static func open(_ path: String) throws(PublishError) -> Int32 {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path) }
        return descriptor
    }

    private static func unreadable(_ path: String) -> PublishError {
        PublishError(
            .fileUnreadable, "\(path) cannot be read: \(String(cString: strerror(errno))).",
            remedy: "Check the path and that you may read it.")
    }
}
