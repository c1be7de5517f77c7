internal import Glibc
internal import Logging
internal import MartletTypes

/// What is asked.
struct ControlQuestion: Codable {
    static let status = "status"
    static let install = "install"
    static let explain = "explain"
    static let rollback = "rollback"
    static let logs = "logs"
    static let scrub = "scrub"
    var command: String
    /// The slot of a bundle that does not say, of a way back, or of logs.
    var slot: String?
    /// The slot or release to be explained; nil is all slots.
    var subject: String?
    /// How many lines of logs.
    var lines: Int?
    /// Whether lines of logs that come are wanted too.
    var follow: Bool?
}

extension ControlSocket {
    /// What takes as long as a bundle is long, as the registry takes to answer, or as somebody reads along; nil for
    /// what is answered at once.
    func longWork(_ question: ControlDoor.Question) -> (@Sendable () async -> Void)? {
        guard let asked = try? JSONText.decode(ControlQuestion.self, from: question.line) else { return nil }
        switch asked.command {
        case ControlQuestion.install: return { await install(asked.slot, question) }
        case ControlQuestion.explain: return { await tell(about: asked.subject, question.socket) }
        case ControlQuestion.rollback: return { await goBack(asked.slot, question) }
        case ControlQuestion.scrub: return { await lookAtAll(question) }
        case ControlQuestion.logs: return { await tellLogs(asked, question.socket) }
        default: return nil
        }
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

    private func install(_ slot: String?, _ question: ControlDoor.Question) async {
        do {
            let answer: InstallAnswer
            do {
                answer = InstallAnswer(done: try await take(slot, question))
            } catch {
                logger.warning("bundle refused", metadata: ["error": "\(ErrorSummary(error).message)"])
                answer = InstallAnswer(error: AgentStatus.Line.Failure(error))
            }
            _ = LocalSocket.write(try answer.line(), to: question.socket)
        } catch {
            logger.error("an answer on the control socket failed", metadata: ["error": "\(error)"])
        }
    }

    private func take(_ slot: String?, _ question: ControlDoor.Question) async throws -> InstallAnswer.Done {
        guard question.mayChange else { throw AgentError.controlRefused(.change) }
        guard let intake else {
            throw AgentError(.notRunning, "This agent takes no bundles in.", remedy: "Run `martlet-agent run`.")
        }
        let slot = try slot.map { try SlotName($0) }
        let socket = question.socket
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
            BundleIntake.Order(descriptor: stream, isRoot: question.peer.user == 0, slot: slot))
    }

    private func goBack(_ name: String?, _ question: ControlDoor.Question) async {
        await act(question) {
            guard let rollback else {
                throw AgentError(.notRunning, "This agent takes nothing back.", remedy: "Run `martlet-agent run`.")
            }
            return try await rollback(try SlotName(name ?? ""), "user \(question.peer.user)")
        }
    }

    private func lookAtAll(_ question: ControlDoor.Question) async {
        await act(question) {
            guard let scrub else {
                throw AgentError(.notRunning, "This agent keeps no files.", remedy: "Run `martlet-agent run`.")
            }
            return try await scrub()
        }
    }

    /// Does what somebody wants who may change something, and says what came of it.
    private func act(_ question: ControlDoor.Question, _ body: () async throws -> some Sendable & Codable) async {
        let answer = await ControlAnswer {
            guard question.mayChange else { throw AgentError.controlRefused(.change) }
            return try await body()
        }
        do {
            _ = LocalSocket.write(try JSONText.encode(answer) + [UInt8(ascii: "\n")], to: question.socket)
        } catch {
            logger.error("an answer on the control socket failed", metadata: ["error": "\(error)"])
        }
    }

    private func tellLogs(_ asked: ControlQuestion, _ socket: Int32) async {
        do {
            guard let logs else {
                throw AgentError(.notRunning, "This agent keeps no log.", remedy: "Run `martlet-agent run`.")
            }
            let slot = try asked.slot.map { try SlotName($0) }
            let request = LogRequest(slot: slot, lines: asked.lines ?? 100, follows: asked.follow ?? false)
            await logs.tell(request) { await Self.pass($0, to: socket) }
        } catch {
            _ = await Self.pass(LogAnswer(error: AgentStatus.Line.Failure(error)), to: socket)
        }
    }

    /// Sends a line without keeping a thread for a slow reader, who is given up at last.
    private static func pass(_ answer: LogAnswer, to socket: Int32) async -> Bool {
        guard var rest = (try? answer.bytes())?[...] else { return false }
        for _ in 0..<AgentLimits.logPatience {
            let count = rest.withUnsafeBytes {
                send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count > 0 { rest = rest.dropFirst(count) }
            if rest.isEmpty { return true }
            if count < 0, errno != EAGAIN, errno != EINTR { return false }
            await Pause.take(.milliseconds(50))
            if Task.isCancelled { return false }
        }
        return false
    }
}

extension AgentLimits {
    /// Tries to send a line of a log, 50 ms apart, before its reader is given up.
    static let logPatience = 200
}
