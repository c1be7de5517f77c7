import AgentStore
import Glibc
import MartletTypes
import Synchronization

/// The machine's file system, which notes the threads that open files and look at links, and has a place that stays.
final class WatchedFiles: FileSystem {
    private let seen = Mutex<Set<pthread_t>>([])
    private let stuck = Mutex<String?>(nil)
    private let real = RealFileSystem()

    var threads: Set<pthread_t> { seen.withLock { $0 } }
    func forgetThreads() { seen.withLock { $0 = [] } }
    /// What is at this path is neither removed nor listed any more, as on a damaged disk.
    func hold(_ path: String) { stuck.withLock { $0 = path } }

    private func note() { seen.withLock { _ = $0.insert(pthread_self()) } }

    func open(_ path: String, _ mode: OpenMode) throws(AgentStoreError) -> any StoredFile {
        note()
        return try real.open(path, mode)
    }

    func destination(of path: String) -> String? {
        note()
        return real.destination(of: path)
    }

    func remove(_ path: String) throws(AgentStoreError) {
        guard stuck.withLock({ $0 }) != path else { throw AgentStoreError(errno: EIO, "remove", path) }
        try real.remove(path)
    }

    func makeFolder(_ path: String, mode: UInt32) throws(AgentStoreError) { try real.makeFolder(path, mode: mode) }
    func rename(_ source: String, to target: String) throws(AgentStoreError) { try real.rename(source, to: target) }
    func link(_ path: String, to destination: String) throws(AgentStoreError) { try real.link(path, to: destination) }
    func names(in path: String) throws(AgentStoreError) -> [String] {
        guard stuck.withLock({ $0 }) != path else { throw AgentStoreError(errno: EIO, "list", path) }
        return try real.names(in: path)
    }

    func status(_ path: String) -> FileStatus? { real.status(path) }
    func setMode(_ path: String, _ mode: UInt32) throws(AgentStoreError) { try real.setMode(path, mode) }
    func synchronizeFolder(_ path: String) throws(AgentStoreError) { try real.synchronizeFolder(path) }
    func freeSpace(_ path: String) throws(AgentStoreError) -> ByteCount { try real.freeSpace(path) }
}
