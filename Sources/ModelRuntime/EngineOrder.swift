internal import CProcess
internal import Glibc
internal import MartletTypes

/// What the agent leaves in an engine's folder for the unit that starts it, and what that unit makes of it: the same
/// confinement that a forked engine has, within the unit's own sandbox.
///
/// Whoever can write the order is the agent or the engine itself, and what is carried out is carried out with the
/// unit's
/// rights alone: an order gains nobody anything.
package struct EngineOrder: Sendable, Hashable, Codable {
    /// The file's name in the engine's folder.
    static let name = "order.json"
    /// The pipe's name in the engine's folder: what the engine prints goes there.
    static let output = "output"

    /// The newest form of order that this program carries out. The program that is installed carries out orders, the
    /// one that runs writes them, and the two may be of different versions: what an older one would have to know is a
    /// newer form, and members that it may pass over are none.
    package static let newestForm = 1

    /// The form that it needs to be understood; nil in orders of before there was more than one, which is the first.
    var form: Int?
    /// The slot that it is for.
    let slot: String
    /// The generation that it is for.
    let generation: Int
    /// The program, absolute.
    let program: String
    /// Its arguments, the program first.
    let arguments: [String]
    /// Its whole environment.
    let environment: [String]
    /// How strictly it is confined: `Confinement.Mode`.
    let confinement: String
    /// What it may read beside the system's own.
    let readable: [String]
    /// What it may write beside its own folder and plain devices.
    let writable: [String]
    /// Added to its niceness.
    let niceness: Int

    init(_ spec: EngineSpec, command: EngineCommand, confinement: Confinement, niceness: Int) {
        form = Self.newestForm
        slot = spec.slot.text
        generation = spec.generation
        program = command.path
        arguments = command.arguments
        environment = command.environment
        self.confinement = confinement.mode.rawValue
        readable = command.readable + confinement.readable
        writable = confinement.writable
        self.niceness = niceness
    }

    /// Reads the order in a folder; nil where none is there that can be read.
    init?(in folder: String) {
        guard let bytes = ProcFile.bytes("\(folder)/\(Self.name)", limit: RuntimeLimits.orderBytes),
            let order = try? JSONText.decode(EngineOrder.self, from: bytes)
        else { return nil }
        self = order
    }

    /// Leaves the order and the pipe in a folder that the agent's group, and so the engine, may use.
    func write(in folder: String) throws(RuntimeError) {
        do {
            let bytes = try JSONText.encode(self)
            let path = "\(folder)/\(Self.name)"
            unlink(path)
            let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o640)
            guard file >= 0 else { throw Self.failure("\(path) cannot be made") }
            defer { close(file) }
            guard Glibc.write(file, bytes, bytes.count) == bytes.count else {
                throw Self.failure("\(path) cannot be written")
            }
        } catch let error as RuntimeError {
            throw error
        } catch {
            throw RuntimeError(.engineNotStarted, "The order for \(folder) cannot be written: \(error).")
        }
        let pipe = "\(folder)/\(Self.output)"
        unlink(pipe)
        // The modes of what is made are cut by the agent's umask, so they are set afterwards.
        guard mkfifo(pipe, 0o600) == 0, chmod(pipe, 0o660) == 0, chmod(folder, 0o770) == 0 else {
            throw Self.failure("\(pipe) cannot be made")
        }
    }

    /// Becomes the engine that is ordered in `folder`: confines this process and replaces its program. Returns only by
    /// throwing `engineNotStarted` or `confinementUnavailable`.
    package static func carryOut(in folder: String) throws(RuntimeError) -> Never {
        guard let order = EngineOrder(in: folder) else {
            throw RuntimeError(
                .engineNotStarted, "\(folder)/\(name) is no order that can be read.",
                remedy: "Let the agent start engines; it writes the order first.")
        }
        guard order.form ?? 1 <= newestForm else {
            throw RuntimeError(
                .engineNotStarted,
                "\(folder)/\(name) is an order of form \(order.form ?? 1), and this program knows form \(newestForm).",
                remedy: "Install the package of martlet-agent that belongs to the agent that runs.")
        }
        try order.become(folder)
    }

    private func become(_ folder: String) throws(RuntimeError) -> Never {
        takeOutput(folder)
        guard chdir(folder) == 0 else { throw Self.failure("\(folder) cannot be entered") }
        if niceness != 0 { nice(Int32(niceness)) }
        let mode = Confinement.Mode(rawValue: confinement) ?? .required
        if mode != .off {
            let wanted = UInt32(CPROCESS_LANDLOCK | CPROCESS_SECCOMP)
            let applied = withStrings([
                Confinement.systemReadable + readable, Confinement.systemWritable + [folder] + writable,
            ]) { lists in
                lists[0].withMemoryRebound(to: UnsafePointer<CChar>?.self, capacity: 1) { readable in
                    lists[1].withMemoryRebound(to: UnsafePointer<CChar>?.self, capacity: 1) { writable in
                        cprocess_confine(wanted, readable, writable)
                    }
                }
            }
            guard applied == wanted || mode == .available else {
                throw RuntimeError(
                    .confinementUnavailable, "The kernel lacks a part of the demanded confinement.",
                    remedy: "Set the confinement to available, or use a newer kernel.")
            }
        }
        // This thread may be one that takes no signals, and the engine would inherit that: it must hear SIGTERM.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        withStrings([arguments, environment]) { lists in _ = execve(program, lists[0], lists[1]) }
        throw Self.failure("\(program) cannot be executed")
    }

    /// Lets the engine print into the pipe that the agent reads. It is opened for both ways and without waiting:
    /// while no
    /// agent reads, what does not fit is dropped, and the engine neither waits nor dies of it.
    private func takeOutput(_ folder: String) {
        let pipe = open("\(folder)/\(Self.output)", O_RDWR | O_NONBLOCK | O_CLOEXEC)
        guard pipe >= 0 else { return }
        defer { close(pipe) }
        // Without it, what is printed goes to the unit's journal.
        guard dup2(pipe, 1) == 1, dup2(pipe, 2) == 2 else { return }
    }

    private static func failure(_ what: String) -> RuntimeError {
        RuntimeError(.engineNotStarted, "\(what): \(String(cString: strerror(errno))).")
    }
}

extension RuntimeLimits {
    /// An order: paths of some hundred model parts and adapters.
    static let orderBytes = 1024 * 1024
}
