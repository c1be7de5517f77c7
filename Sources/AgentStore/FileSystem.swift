package import MartletTypes

/// What a path names.
package struct FileStatus: Sendable, Hashable {
    /// The kinds that the store tells apart.
    package enum Kind: Sendable { case file, folder, link, other }

    package let kind: Kind
    /// Length of a file.
    package let size: ByteCount
    /// Permission bits.
    package let mode: UInt32

    package init(kind: Kind, size: ByteCount, mode: UInt32) {
        self.kind = kind
        self.size = size
        self.mode = mode
    }
}

/// What tells a file from another that takes its place: numbers of files come back, times of change do not.
package struct FileIdentity: Sendable, Hashable {
    let device: UInt64
    let inode: UInt64
    let seconds: Int
    let nanoseconds: Int
}

/// How a file is opened.
package enum OpenMode: Sendable {
    /// To read from its start.
    case read
    /// To write from its start, made or emptied, with these permission bits.
    case create(UInt32)
    /// To write at its end, made where it is absent, with these permission bits.
    case append(UInt32)
}

/// An open file. One owner at a time uses it.
package protocol StoredFile: AnyObject, Sendable {
    /// Writes all bytes.
    func write(_ bytes: UnsafeRawBufferPointer) throws(AgentStoreError)
    /// Reads up to the buffer's length; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(AgentStoreError) -> Int
    /// Goes on reading at a distance from the start.
    func seek(to offset: ByteCount) throws(AgentStoreError)
    /// Tells this file from another that has its name later.
    func identity() throws(AgentStoreError) -> FileIdentity
    /// Waits until what was written is on the disk.
    func synchronize() throws(AgentStoreError)
    /// Ends the use of the file.
    func close()
}

/// The store's only way to files, so that a test can make each call fail, or stop the world at it.
///
/// All calls block; they run on a `StorageThread`.
package protocol FileSystem: Sendable {
    func open(_ path: String, _ mode: OpenMode) throws(AgentStoreError) -> any StoredFile
    /// Makes a folder; no error where it exists.
    func makeFolder(_ path: String, mode: UInt32) throws(AgentStoreError)
    /// Replaces `target` by `source` in one step.
    func rename(_ source: String, to target: String) throws(AgentStoreError)
    /// Removes a file, a link, or an empty folder; no error where it is absent.
    func remove(_ path: String) throws(AgentStoreError)
    /// Makes a symbolic link at `path`.
    func link(_ path: String, to destination: String) throws(AgentStoreError)
    /// Where a symbolic link points; nil where there is none.
    func destination(of path: String) -> String?
    /// Names in a folder in order, without `.` and `..`; none where it is absent.
    func names(in path: String) throws(AgentStoreError) -> [String]
    /// What `path` itself is (links are not followed); nil where nothing is.
    func status(_ path: String) -> FileStatus?
    func setMode(_ path: String, _ mode: UInt32) throws(AgentStoreError)
    /// Waits until the folder's entries are on the disk.
    func synchronizeFolder(_ path: String) throws(AgentStoreError)
    /// Room that an ordinary user may still fill.
    func freeSpace(_ path: String) throws(AgentStoreError) -> ByteCount
}

extension FileSystem {
    /// Puts `bytes` at `path` so that a crash leaves the old or the new content, whole.
    package func writeAtomically(
        _ bytes: [UInt8], to path: String, mode: UInt32 = 0o644
    ) throws(AgentStoreError) {
        let temporary = path + ".new"
        // An interrupted write may have left one that others can read, or that its owner cannot write to.
        try remove(temporary)
        do {
            let file = try open(temporary, .create(mode))
            defer { file.close() }
            try file.write(bytes)
            try file.synchronize()
            // The process may have a mask that takes bits away.
            try setMode(temporary, mode)
            try rename(temporary, to: path)
        } catch {
            discard(temporary)
            throw error
        }
        try synchronizeFolder(FileSystemPath.folder(of: path))
    }

    /// The whole content of a file that is no longer than `limit`; nil where it is absent.
    package func contents(
        of path: String, limit: Int = AgentStoreLimits.documentBytes
    ) throws(AgentStoreError) -> [UInt8]? {
        guard status(path) != nil else { return nil }
        let file = try open(path, .read)
        defer { file.close() }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(limit + 1, 64 * 1024))
        while true {
            let count = try file.read(into: &chunk)
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw AgentStoreError(.malformed, "\(path) is longer than \(limit) bytes.")
            }
        }
    }

    /// Removes what may be there and is of no use; a failure leaves garbage that the next collection takes.
    package func discard(_ path: String) {
        do { try remove(path) } catch { return }
    }

    /// Removes a folder with the files and links in it, and folders below it. What cannot be removed keeps nothing
    /// beside it; the first such error is thrown in the end.
    package func removeTree(_ path: String) throws(AgentStoreError) {
        if status(path)?.kind == .folder {
            var failures = FirstFailure()
            for name in try names(in: path) {
                failures.note { () throws(AgentStoreError) in try removeTree(path + "/" + name) }
            }
            try failures.end()
        }
        try remove(path)
    }

    /// Makes a link that replaces an older one in one step.
    package func replaceLink(_ path: String, to destination: String) throws(AgentStoreError) {
        guard self.destination(of: path) != destination else { return }
        try remove(path + ".new")
        try link(path + ".new", to: destination)
        try rename(path + ".new", to: path)
    }
}

enum FileSystemPath {
    /// The folder that holds `path`.
    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

extension StoredFile {
    /// Writes all of an array.
    package func write(_ bytes: [UInt8]) throws(AgentStoreError) {
        var failure: AgentStoreError?
        bytes.withUnsafeBytes { buffer in
            do throws(AgentStoreError) { try write(buffer) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Reads into an array's storage.
    package func read(into bytes: inout [UInt8]) throws(AgentStoreError) -> Int {
        var failure: AgentStoreError?
        let count = bytes.withUnsafeMutableBytes { buffer -> Int in
            do throws(AgentStoreError) { return try read(into: buffer) } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure }
        return count
    }
}
