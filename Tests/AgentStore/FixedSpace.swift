import AgentStore
import MartletTypes

/// The machine's file system with a disk of which so much is free.
struct FixedSpace: FileSystem {
    let free: ByteCount
    private let real = RealFileSystem()

    init(free: ByteCount) { self.free = free }

    func open(_ path: String, _ mode: OpenMode) throws(AgentStoreError) -> any StoredFile { try real.open(path, mode) }
    func makeFolder(_ path: String, mode: UInt32) throws(AgentStoreError) { try real.makeFolder(path, mode: mode) }
    func rename(_ source: String, to target: String) throws(AgentStoreError) { try real.rename(source, to: target) }
    func remove(_ path: String) throws(AgentStoreError) { try real.remove(path) }
    func link(_ path: String, to destination: String) throws(AgentStoreError) { try real.link(path, to: destination) }
    func destination(of path: String) -> String? { real.destination(of: path) }
    func names(in path: String) throws(AgentStoreError) -> [String] { try real.names(in: path) }
    func status(_ path: String) -> FileStatus? { real.status(path) }
    func setMode(_ path: String, _ mode: UInt32) throws(AgentStoreError) { try real.setMode(path, mode) }
    func synchronizeFolder(_ path: String) throws(AgentStoreError) { try real.synchronizeFolder(path) }
    func freeSpace(_ path: String) throws(AgentStoreError) -> ByteCount { free }
}
