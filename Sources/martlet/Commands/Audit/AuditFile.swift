import FoundationEssentials
import Glibc
import MartletAPI
import MartletTypes
import Trust

/// An exported audit log: lines of JSON, the head with checkpoint and proof first (docs/formats/audit.md).
struct AuditFile {
    /// The first line.
    struct Head: Codable {
        /// The value of `format`.
        static let name = "martlet-audit-export.v1"

        var format = Head.name
        /// The `SignedEnvelope` of the checkpoint.
        var checkpoint: JSONValue
        /// Rows up to this number are left out.
        var after: Int64
        /// Proves that the first row of the file is in the checkpoint's tree, and so stands for the rows before it.
        var proof: [Digest]
    }

    /// The signed checkpoint as it came from the registry.
    let envelope: [UInt8]
    private let head: Head
    private let path: String

    init(reading path: String) throws {
        self.path = path
        var first: [UInt8]?
        try Self.lines(of: path) { line in
            first = line
            return false
        }
        do {
            guard let first else { throw Self.unreadable(path, "it is empty") }
            head = try JSONText.decode(Head.self, from: first)
            guard head.format == Head.name, head.after >= 0 else { throw Self.unreadable(path, "it is none") }
            envelope = try JSONText.encode(head.checkpoint)
        } catch let error as CommandError {
            throw error
        } catch {
            throw Self.unreadable(path, "its first line is no head")
        }
    }

    /// The tree over the rows that are left out, as the file's proof gives it.
    func start(in checkpoint: AuditCheckpoint) throws -> AuditFrontier {
        try Self.start(after: head.after, proof: head.proof, in: checkpoint)
    }

    /// The tree over the rows up to `after`, taken from the proof of the row that follows.
    ///
    /// It need not be believed: a wrong one leads to another root than the checkpoint's.
    static func start(after: Int64, proof: [Digest], in checkpoint: AuditCheckpoint) throws -> AuditFrontier {
        guard after > 0 else { return AuditFrontier() }
        let peaks = AuditTree.peaks(before: after, in: checkpoint.size, proof: proof)
        guard after < checkpoint.size, let start = AuditFrontier(size: after, peaks: peaks) else {
            throw AuditFinding(.unproven, row: nil, "the proof does not cover the rows up to \(after).")
        }
        return start
    }

    /// Hands the rows to `take`, some at a time, in the order of the file.
    func rows(take: ([AuditRow]) throws -> Void) throws {
        var page: [AuditRow] = []
        var number = 0
        try Self.lines(of: path) { line in
            defer { number += 1 }
            guard number > 0 else { return true }
            do {
                page.append(try JSONText.decode(AuditRow.self, from: line))
            } catch {
                throw AuditFinding(
                    .edited, row: head.after + Int64(number), "line \(number + 1) of \(path) is no row.")
            }
            if page.count == AuditLimits.pageRows {
                try take(page)
                page = []
            }
            return true
        }
        try take(page)
    }

    /// Hands each line to `take` until that says false.
    private static func lines(of path: String, take: ([UInt8]) throws -> Bool) throws {
        guard let file = fopen(path, "re") else { throw unreadable(path, String(cString: strerror(errno))) }
        defer { fclose(file) }
        var buffer: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(buffer) }
        while true {
            let count = getline(&buffer, &capacity, file)
            guard count > 0, let buffer else { return }
            guard count <= AuditLimits.lineBytes else { throw unreadable(path, "a line is too long") }
            var line = Array(UnsafeRawBufferPointer(start: buffer, count: count))
            if line.last == UInt8(ascii: "\n") { line.removeLast() }
            guard !line.isEmpty else { continue }
            guard try take(line) else { return }
        }
    }

    private static func unreadable(_ path: String, _ why: String) -> CommandError {
        CommandError(
            "fileUnreadable", "\(path) cannot be read as an exported audit log: \(why).",
            remedy: "Give a file that `martlet audit export` wrote.")
    }
}

extension AuditFile {
    /// Writes an export line by line beside its place, and puts it there when it is whole.
    final class Writer {
        private let path: String
        private let temporary: String
        private let file: UnsafeMutablePointer<FILE>

        init(_ path: String) throws {
            self.path = path
            temporary = path + ".\(getpid()).tmp"
            guard let file = fopen(temporary, "wxe") else { throw Self.failure(temporary) }
            self.file = file
        }

        func add(_ line: some Encodable) throws {
            let bytes = try JSONText.encode(line) + [UInt8(ascii: "\n")]
            guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw Self.failure(temporary) }
        }

        func finish() throws {
            let isWritten = fflush(file) == 0 && fsync(fileno(file)) == 0
            guard fclose(file) == 0, isWritten, rename(temporary, path) == 0 else { throw Self.failure(path) }
        }

        /// Leaves nothing behind.
        func abandon() { unlink(temporary) }

        private static func failure(_ path: String) -> CommandError {
            CommandError(
                "fileUnwritable", "Cannot write \(path): \(String(cString: strerror(errno))).",
                remedy: "Check the folder's permissions and the free space.", fault: .environment)
        }
    }
}
