internal import Glibc
package import Logging
package import MartletTypes
internal import ServiceLifecycle
internal import Synchronization

/// Answers people on the box itself: `DIR/run/control.sock`, for the agent's own user, root, and whom `ControlAccess`
/// names.
///
/// One line of JSON asks (`{"command":"status"}`), lines of JSON answer, and the connection ends.
package struct ControlSocket: Service {
    /// The socket's name in the run folder.
    static let name = "control.sock"

    private let folder: String
    private let access: ControlAccess
    let logger: Logger
    private let status: @Sendable () async throws -> AgentStatus
    let intake: BundleIntake?
    let explain: (@Sendable (String?) async throws -> Explanation)?
    let rollback: (@Sendable (_ slot: SlotName, _ by: String) async throws -> LocalRollback)?
    let scrub: (@Sendable () async throws -> ScrubRound)?
    let logs: LogTeller?

    /// `folder` is the run folder, which exists; `access` says who may ask. What is nil is not answered: `intake` takes
    /// bundles, `explain` is given what is asked about, `rollback` a slot and who wants it back; `scrub` has all files
    /// hashed.
    package init(
        folder: String, access: ControlAccess = ControlAccess(), logger: Logger, intake: BundleIntake? = nil,
        explain: (@Sendable (String?) async throws -> Explanation)? = nil,
        rollback: (@Sendable (_ slot: SlotName, _ by: String) async throws -> LocalRollback)? = nil,
        scrub: (@Sendable () async throws -> ScrubRound)? = nil,
        logs: LogTeller? = nil, status: @escaping @Sendable () async throws -> AgentStatus
    ) {
        self.folder = folder
        self.access = access
        self.logger = logger
        self.intake = intake
        self.explain = explain
        self.rollback = rollback
        self.scrub = scrub
        self.logs = logs
        self.status = status
    }

    package func run() async throws {
        let socket = try LocalSocket.listen(folder: folder, name: Self.name, isOpen: access.isOpen)
        let door = try ControlDoor(socket: socket, access: access, logger: logger)
        let streams = OpenStreams()
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                for await question in door.questions {
                    guard let work = longWork(question) else {
                        await answer(question)
                        close(question.socket)
                        continue
                    }
                    // Others are answered meanwhile.
                    guard streams.add(question.socket) else {
                        close(question.socket)
                        continue
                    }
                    group.addTask {
                        await work()
                        streams.close(question.socket)
                    }
                }
            }
        } onCancelOrGracefulShutdown: {
            door.shut()
            streams.shut()
        }
        unlink("\(folder)/\(Self.name)")
        door.leave()
    }

    private func answer(_ question: ControlDoor.Question) async {
        do {
            let bytes = try await text(for: question.line)
            // The pool's threads must not wait for a reader: an answer fits into the socket's buffer.
            if !LocalSocket.write(bytes, to: question.socket, flags: Int32(MSG_DONTWAIT)) {
                logger.warning("an answer on the control socket was not taken", metadata: ["bytes": "\(bytes.count)"])
            }
        } catch {
            logger.error("a question on the control socket failed", metadata: ["error": "\(error)"])
        }
    }

    private func text(for line: [UInt8]) async throws -> [UInt8] {
        do {
            guard let question = try? JSONText.decode(ControlQuestion.self, from: line) else {
                throw AgentError(
                    .badAnswer, "The question is not a JSON object with a command.",
                    remedy: #"Send {"command":"status"} and a line end."#)
            }
            guard question.command == ControlQuestion.status else {
                throw AgentError(
                    .badAnswer, "\(question.command.prefix(64)) is not a known command.",
                    remedy: "Known: explain, install, logs, rollback, scrub, status.")
            }
            return try await status().lines()
        } catch {
            return try AgentStatus.failure(error)
        }
    }
}

/// Connections that take long, so that a stopping agent does not wait for them.
private final class OpenStreams: Sendable {
    private struct State {
        var sockets: Set<Int32> = []
        var isShut = false
    }

    private let state = Mutex(State())

    /// False once the agent stops, and while there are too many.
    func add(_ socket: Int32) -> Bool {
        state.withLock { state in
            guard !state.isShut, state.sockets.count < AgentLimits.controlConnections else { return false }
            state.sockets.insert(socket)
            return true
        }
    }

    func close(_ socket: Int32) {
        state.withLock { _ = $0.sockets.remove(socket) }
        Glibc.close(socket)
    }

    /// Ends all streams; whoever reads from one sees its end.
    func shut() {
        state.withLock { state in
            state.isShut = true
            for socket in state.sockets { shutdown(socket, Int32(SHUT_RDWR)) }
        }
    }
}

extension AgentLimits {
    /// Seconds that a bundle's sender may be silent: a USB stick that wakes up, a person who pulls it out.
    static let bundleSilenceSeconds = 60
}
