import AgentStore
import Glibc
import MartletTypes
import Synchronization

/// The machine's file system, made to fail, to be killed or to lose power at the change it is told to.
///
/// Each change (making, opening for writing, writing, synchronising, renaming, removing, linking, setting permissions)
/// has a number, from 1 on. It also keeps to permissions as they bind an ordinary user, whoever runs the tests.
final class FaultyFileSystem: FileSystem {
    /// What goes wrong.
    enum Fault: Sendable, Hashable, CustomStringConvertible {
        case none
        /// One change fails; a write has written its first half.
        case fails(at: Int, errno: Int32)
        /// From one change on the disk is full; only removing and synchronising work.
        case full(from: Int)
        /// Every change fails, as on a disk that the kernel mounted read-only.
        case refused(errno: Int32)
        /// The process is killed in the middle of a change: a write has written half, the others did not happen.
        case killed(at: Int)
        /// The process is killed right after a change.
        case killedAfter(Int)
        /// The power fails before a change, and all is lost that was not synchronised.
        case powerCut(at: Int)

        var description: String {
            switch self {
            case .none: "nothing"
            case .fails(let number, let errno): "\(String(cString: strerror(errno))) at change \(number)"
            case .full(let number): "full disk from change \(number) on"
            case .refused(let errno): "\(String(cString: strerror(errno))) at every change"
            case .killed(let number): "killed in change \(number)"
            case .killedAfter(let number): "killed after change \(number)"
            case .powerCut(let number): "power cut at change \(number)"
            }
        }

        var ends: Bool {
            switch self {
            case .killed, .killedAfter, .powerCut: true
            default: false
            }
        }
    }

    private struct State {
        var fault: Fault
        var changes: [String] = []
        var isDead = false
        var unreadable: String?
        var stuck: String?
        var watched: (path: String, read: @Sendable () -> Void)?
        var volatile: VolatileState
    }

    private let real = RealFileSystem()
    private let state: Mutex<State>

    /// `scratch` holds what a power cut may bring back; it lies beside the store, on the same disk.
    init(_ fault: Fault = .none, scratch: String? = nil) {
        state = Mutex(State(fault: fault, volatile: VolatileState(scratch: scratch)))
    }

    /// The changes so far, by name and path.
    var changes: [String] { state.withLock { $0.changes } }
    /// Whether the world has stopped.
    var isDead: Bool { state.withLock { $0.isDead } }
    /// Sets what goes wrong next, counted from now.
    func set(_ fault: Fault) {
        state.withLock {
            $0.fault = fault
            $0.changes = []
        }
    }

    /// Makes every read of one file fail, as a bad sector does.
    func spoil(_ path: String) { state.withLock { $0.unreadable = path } }

    /// Makes one path and what is below it stay where it is, as a damaged folder does.
    func hold(_ path: String) { state.withLock { $0.stuck = path } }

    /// Calls `read` before each piece of a file is read.
    func watch(_ path: String, _ read: @escaping @Sendable () -> Void) { state.withLock { $0.watched = (path, read) } }

    /// Takes away what was not synchronised, and stops the world.
    func cutPower() {
        state.withLock {
            $0.isDead = true
            $0.volatile.lose()
        }
    }

    // MARK: FileSystem

    func open(_ path: String, _ mode: OpenMode) throws(AgentStoreError) -> any StoredFile {
        if case .read = mode {
            try live()
            let file = try real.open(path, mode)
            if state.withLock({ $0.unreadable == path }) { return UnreadableFile(file, path: path) }
            guard let watched = state.withLock({ $0.watched }), watched.path == path else { return file }
            return WatchedFile(file, read: watched.read)
        }
        if let status = real.status(path), status.kind == .file, status.mode & 0o200 == 0 {
            throw AgentStoreError(errno: EACCES, "open", path)
        }
        let file = try change("open", path) { () throws(AgentStoreError) in
            volatile { $0.willMake(path) }
            return try real.open(path, mode)
        }
        return FaultyFile(file, path: path, system: self)
    }

    func makeFolder(_ path: String, mode: UInt32) throws(AgentStoreError) {
        try change("makeFolder", path) { () throws(AgentStoreError) in
            volatile { $0.willMake(path) }
            try real.makeFolder(path, mode: mode)
        }
    }

    func rename(_ source: String, to target: String) throws(AgentStoreError) {
        try change("rename", target) { () throws(AgentStoreError) in
            volatile { $0.willRename(source, target) }
            try real.rename(source, to: target)
        }
    }

    func remove(_ path: String) throws(AgentStoreError) {
        try change("remove", path, grows: false) { () throws(AgentStoreError) in
            if let stuck = state.withLock({ $0.stuck }), path.hasPrefix(stuck) {
                throw AgentStoreError(errno: EIO, "remove", path)
            }
            volatile { $0.willRemove(path) }
            try real.remove(path)
        }
    }

    func link(_ path: String, to destination: String) throws(AgentStoreError) {
        try change("link", path) { () throws(AgentStoreError) in
            volatile { $0.willMake(path) }
            try real.link(path, to: destination)
        }
    }

    func setMode(_ path: String, _ mode: UInt32) throws(AgentStoreError) {
        try change("setMode", path, grows: false) { () throws(AgentStoreError) in try real.setMode(path, mode) }
    }

    func synchronizeFolder(_ path: String) throws(AgentStoreError) {
        try change("synchronizeFolder", path, grows: false) { () throws(AgentStoreError) in
            try real.synchronizeFolder(path)
            volatile { $0.didSynchronize(folder: path) }
        }
    }

    func destination(of path: String) -> String? { isDead ? nil : real.destination(of: path) }

    func names(in path: String) throws(AgentStoreError) -> [String] {
        try live()
        return try real.names(in: path)
    }

    func status(_ path: String) -> FileStatus? { isDead ? nil : real.status(path) }

    func freeSpace(_ path: String) throws(AgentStoreError) -> ByteCount {
        try live()
        return try real.freeSpace(path)
    }

    // MARK: Faults

    fileprivate func volatile(_ body: (inout VolatileState) -> Void) { state.withLock { body(&$0.volatile) } }

    private func live() throws(AgentStoreError) {
        if isDead { throw Self.stopped }
    }

    private enum Verdict { case pass, fail(Int32), half(then: Int32?), stop, stopAfter }

    /// Counts a change and does what the fault says about it. `half` is what a change that breaks off has done.
    fileprivate func change<Result>(
        _ name: String, _ path: String, grows: Bool = true, half: (() -> Void)? = nil,
        _ body: () throws(AgentStoreError) -> Result
    ) throws(AgentStoreError) -> Result {
        switch try verdict(name, path, grows: grows) {
        case .pass: return try body()
        case .fail(let number): throw AgentStoreError(errno: number, name, path)
        case .half(let number):
            half?()
            throw number.map { AgentStoreError(errno: $0, name, path) } ?? Self.stopped
        case .stop: throw Self.stopped
        case .stopAfter:
            _ = try body()
            state.withLock { $0.isDead = true }
            throw Self.stopped
        }
    }

    private func verdict(_ name: String, _ path: String, grows: Bool) throws(AgentStoreError) -> Verdict {
        try state.withLock { (state) throws(AgentStoreError) in
            guard !state.isDead else { throw Self.stopped }
            state.changes.append("\(name) \(path)")
            let number = state.changes.count
            switch state.fault {
            case .refused(let errno): return .fail(errno)
            case .fails(number, let errno): return name == "write" ? .half(then: errno) : .fail(errno)
            case .full(let first) where number >= first && grows:
                return name == "write" ? .half(then: ENOSPC) : .fail(ENOSPC)
            case .killed(number):
                state.isDead = true
                return name == "write" ? .half(then: nil) : .stop
            case .killedAfter(number): return .stopAfter
            case .powerCut(number):
                state.isDead = true
                state.volatile.lose()
                return .stop
            default: return .pass
            }
        }
    }

    static let stopped = AgentStoreError(.storageFailed, "The process is no more.")
}

/// An open file of it.
private final class FaultyFile: StoredFile {
    private let file: any StoredFile
    private let path: String
    private let system: FaultyFileSystem

    init(_ file: any StoredFile, path: String, system: FaultyFileSystem) {
        self.file = file
        self.path = path
        self.system = system
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(AgentStoreError) {
        let half = {
            self.system.volatile { $0.willWrite(self.path) }
            let part = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)])
            do { try self.file.write(part) } catch { preconditionFailure("\(error)") }
        }
        try system.change("write", path, half: half) { () throws(AgentStoreError) in
            system.volatile { $0.willWrite(path) }
            try file.write(bytes)
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(AgentStoreError) -> Int {
        try file.read(into: buffer)
    }

    func synchronize() throws(AgentStoreError) {
        try system.change("synchronize", path, grows: false) { () throws(AgentStoreError) in
            try file.synchronize()
            system.volatile { $0.didSynchronize(file: path) }
        }
    }

    func seek(to offset: ByteCount) throws(AgentStoreError) { try file.seek(to: offset) }
    func identity() throws(AgentStoreError) -> FileIdentity { try file.identity() }
    func close() { file.close() }
}

/// A file that somebody watches being read.
private final class WatchedFile: StoredFile {
    private let file: any StoredFile
    private let read: @Sendable () -> Void

    init(_ file: any StoredFile, read: @escaping @Sendable () -> Void) {
        self.file = file
        self.read = read
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(AgentStoreError) -> Int {
        read()
        return try file.read(into: buffer)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(AgentStoreError) { try file.write(bytes) }
    func seek(to offset: ByteCount) throws(AgentStoreError) { try file.seek(to: offset) }
    func identity() throws(AgentStoreError) -> FileIdentity { try file.identity() }
    func synchronize() throws(AgentStoreError) { try file.synchronize() }
    func close() { file.close() }
}

/// A file on a bad sector: it opens, and gives nothing back.
private final class UnreadableFile: StoredFile {
    private let file: any StoredFile
    private let path: String

    init(_ file: any StoredFile, path: String) {
        self.file = file
        self.path = path
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(AgentStoreError) {
        throw AgentStoreError(errno: EIO, "write", path)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(AgentStoreError) -> Int {
        throw AgentStoreError(errno: EIO, "read", path)
    }

    func seek(to offset: ByteCount) throws(AgentStoreError) {}
    func identity() throws(AgentStoreError) -> FileIdentity { try file.identity() }
    func synchronize() throws(AgentStoreError) {}
    func close() { file.close() }
}
