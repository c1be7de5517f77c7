internal import Glibc
package import Logging
internal import MartletTypes
internal import ServiceLifecycle
internal import Synchronization

/// Answers people on the box itself: `DIR/run/control.sock`, for the agent's own user and root.
///
/// One line of JSON asks (`{"command":"status"}`), lines of JSON answer, and the connection ends.
package struct ControlSocket: Service {
    /// The socket's name in the run folder.
    static let name = "control.sock"

    private let folder: String
    private let logger: Logger
    private let status: @Sendable () async throws -> AgentStatus
    private let intake: BundleIntake?
    private let explain: (@Sendable (String?) async throws -> Explanation)?

    /// `folder` is the run folder, which exists. Without an `intake` no bundle is taken in, and without `explain`,
    /// which
    /// is given what is asked about, nothing is explained.
    package init(
        folder: String, logger: Logger, intake: BundleIntake? = nil,
        explain: (@Sendable (String?) async throws -> Explanation)? = nil,
        status: @escaping @Sendable () async throws -> AgentStatus
    ) {
        self.explain = explain
        self.folder = folder
        self.logger = logger
        self.intake = intake
        self.status = status
    }

    package func run() async throws {
        let door = try ControlDoor(socket: LocalSocket.listen(folder: folder, name: Self.name))
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

    /// What takes as long as a bundle is long, or as the registry takes to answer; nil for what is answered at once.
    private func longWork(_ question: ControlDoor.Question) -> (@Sendable () async -> Void)? {
        if let order = InstallOrder(question) { return { await install(order, question.socket) } }
        guard let asked = try? JSONText.decode(ControlQuestion.self, from: question.line),
            asked.command == ControlQuestion.explain
        else { return nil }
        return { await tell(about: asked.subject, question.socket) }
    }

    private func tell(about subject: String?, _ socket: Int32) async {
        do {
            var line: Explanation.Line
            do {
                guard let explain else {
                    throw AgentError(.notRunning, "This agent explains nothing.", remedy: "Run `martlet-agent run`.")
                }
                line = Explanation.Line(explanation: try await explain(subject))
            } catch {
                line = Explanation.Line(error: AgentStatus.Line.Failure(error))
            }
            _ = LocalSocket.write(try JSONText.encode(line) + [UInt8(ascii: "\n")], to: socket)
        } catch {
            logger.error("an explanation failed", metadata: ["error": "\(error)"])
        }
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

    private func install(_ order: InstallOrder, _ socket: Int32) async {
        do {
            let answer: InstallAnswer
            do {
                answer = InstallAnswer(done: try await take(order, socket))
            } catch {
                logger.warning("bundle refused", metadata: ["error": "\(ErrorSummary(error).message)"])
                answer = InstallAnswer(error: AgentStatus.Line.Failure(error))
            }
            _ = LocalSocket.write(try answer.line(), to: socket)
        } catch {
            logger.error("an answer on the control socket failed", metadata: ["error": "\(error)"])
        }
    }

    private func take(_ order: InstallOrder, _ socket: Int32) async throws -> InstallAnswer.Done {
        guard let intake else {
            throw AgentError(.notRunning, "This agent takes no bundles in.", remedy: "Run `martlet-agent run`.")
        }
        let slot = try order.slot.map { try SlotName($0) }
        LocalSocket.setPatience(socket, seconds: AgentLimits.bundleSilenceSeconds)
        guard LocalSocket.write(try InstallAnswer(send: true).line(), to: socket) else {
            throw AgentError(.badAnswer, "Whoever asked is gone.", fault: .peer)
        }
        let stream = dup(socket)
        guard stream >= 0 else {
            throw AgentError(
                .notRunning, "No file can be opened: \(String(cString: strerror(errno))).",
                remedy: "Raise the limit of open files.", fault: .environment)
        }
        return try await intake.take(
            BundleIntake.Order(descriptor: stream, isRoot: LocalSocket.peer(socket) == 0, slot: slot))
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
                    remedy: "Known: explain, install, status.")
            }
            return try await status().lines()
        } catch {
            return try AgentStatus.failure(error)
        }
    }
}

/// What is asked.
struct ControlQuestion: Codable {
    static let status = "status"
    static let install = "install"
    static let explain = "explain"
    var command: String
    /// The slot of a bundle that does not say.
    var slot: String?
    /// The slot or release to be explained; nil is all slots.
    var subject: String?
}

/// A question that the bytes of a bundle follow.
private struct InstallOrder: Sendable {
    let slot: String?

    init?(_ question: ControlDoor.Question) {
        guard let asked = try? JSONText.decode(ControlQuestion.self, from: question.line),
            asked.command == ControlQuestion.install
        else { return nil }
        slot = asked.slot
    }
}

/// Connections over which bundles come, so that a stopping agent does not wait for them.
private final class OpenStreams: Sendable {
    private struct State {
        var sockets: Set<Int32> = []
        var isShut = false
    }

    private let state = Mutex(State())

    /// False once the agent stops.
    func add(_ socket: Int32) -> Bool {
        state.withLock { state in
            if !state.isShut { state.sockets.insert(socket) }
            return !state.isShut
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

/// The thread that lets people in: it accepts, checks who it is and reads the question, one after the other.
final class ControlDoor: Sendable {
    /// Who asks what; whoever answers closes the socket.
    struct Question: Sendable {
        let socket: Int32
        let line: [UInt8]
    }

    let questions: AsyncStream<Question>
    private let socket: Int32

    init(socket: Int32) throws {
        let (questions, inbox) = AsyncStream.makeStream(
            of: Question.self, bufferingPolicy: .bufferingOldest(Int(AgentLimits.controlConnections)))
        self.questions = questions
        self.socket = socket
        let loop = Unmanaged.passRetained(Loop(socket: socket, inbox: inbox))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Loop>.fromOpaque(raw).takeRetainedValue().run() }
                return nil
            }, loop.toOpaque())
        guard code == 0 else {
            loop.release()
            close(socket)
            throw AgentError(
                .notRunning, "The control socket's thread could not be started.",
                remedy: "Raise the limit of processes.", fault: .environment)
        }
        pthread_detach(thread)
    }

    /// Takes nobody any more; `questions` ends. On Linux this wakes the thread out of `accept`.
    func shut() { shutdown(socket, Int32(SHUT_RDWR)) }

    /// Gives the socket back, after `questions` has ended.
    func leave() { close(socket) }

    private final class Loop: Sendable {
        private let socket: Int32
        private let inbox: AsyncStream<Question>.Continuation

        init(socket: Int32, inbox: AsyncStream<Question>.Continuation) {
            self.socket = socket
            self.inbox = inbox
        }

        func run() {
            while true {
                let client = accept(socket, nil, nil)
                if client >= 0 {
                    _ = fcntl(client, F_SETFD, FD_CLOEXEC)
                    take(client)
                } else if errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS {
                    // Whoever asks waits until there is room again.
                    usleep(100_000)
                } else if errno != EINTR, errno != ECONNABORTED {
                    break
                }
            }
            inbox.finish()
        }

        private func take(_ client: Int32) {
            LocalSocket.setPatience(client, seconds: 2)
            guard LocalSocket.isOwn(client),
                let line = LocalSocket.read(client, limit: AgentLimits.controlBytes, throughLine: true)
            else {
                close(client)
                return
            }
            if case .enqueued = inbox.yield(Question(socket: client, line: line)) { return }
            close(client)
        }
    }
}
