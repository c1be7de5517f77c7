internal import AgentStore
internal import Glibc
internal import MartletTypes

/// Asks the agent that runs with a data folder.
package struct ControlClient: Sendable {
    private let data: String
    private let runtime: String?

    /// `data` is the agent's data folder; `runtime` is systemd's `$RUNTIME_DIRECTORY`, where one is set.
    package init(data: String, runtime: String? = nil) {
        self.data = data
        self.runtime = runtime
    }

    /// How long an answer may take that comes from the agent's memory.
    package static let patienceSeconds = 10

    /// The agent's status. Blocks up to `patienceSeconds`. Throws `notRunning`, `untrusted`, `badAnswer`.
    package func status(patienceSeconds: Int = Self.patienceSeconds) throws -> AgentStatus {
        let question = try JSONText.encode(ControlQuestion(command: ControlQuestion.status))
        return try AgentStatus(lines: ask(question, patienceSeconds: patienceSeconds))
    }

    /// Why a slot or release, or with nil every slot, is as it is. Blocks up to a minute, where the registry must be
    /// asked.
    /// Throws what `status` throws, `unknownSlot` and `invalidValue`.
    package func explain(_ subject: String?) throws -> Explanation {
        let question = ControlQuestion(command: ControlQuestion.explain, subject: subject)
        return try Explanation(
            line: try ask(JSONText.encode(question), patienceSeconds: AgentLimits.explainPatienceSeconds))
    }

    /// The process that answers; nil where none does.
    func peer() -> LocalSocket.Peer? {
        do {
            let socket = try connect()
            defer { close(socket) }
            return LocalSocket.peer(socket)
        } catch {
            return nil
        }
    }

    /// Takes a slot back to what served before it. Throws what `status` throws, `unknownSlot` and
    /// `localRollbackRefused`.
    package func rollback(_ slot: String) throws -> LocalRollback {
        let question = ControlQuestion(command: ControlQuestion.rollback, slot: slot)
        return try ControlAnswer<LocalRollback>.done(in: try ask(JSONText.encode(question)))
    }

    /// Has all files looked at that generations need, in the background. Throws what `status` throws.
    package func scrub() throws -> ScrubRound {
        let question = ControlQuestion(command: ControlQuestion.scrub)
        return try ControlAnswer<ScrubRound>.done(in: try ask(JSONText.encode(question)))
    }

    /// Calls `take` with the last lines of the agent's and its engines' logs and, where it follows, with each that
    /// comes, until the agent ends or `take` returns false.
    package func logs(_ request: LogRequest, take: (LogLine) -> Bool) throws {
        let socket = try connect()
        defer { close(socket) }
        // Whoever follows may wait for hours.
        LocalSocket.setPatience(socket, seconds: request.follows ? 0 : 10)
        let question = ControlQuestion(
            command: ControlQuestion.logs, slot: request.slot?.text, lines: request.lines, follow: request.follows)
        guard LocalSocket.write(try JSONText.encode(question) + [UInt8(ascii: "\n")], to: socket) else {
            throw LocalSocket.notRunning("its control socket")
        }
        var reader = LocalSocket.LineReader(socket: socket)
        while let bytes = reader.next(limit: AgentLimits.controlAnswerBytes) {
            let answer = try JSONText.decode(LogAnswer.self, from: bytes)
            if let error = answer.error {
                throw ReportedFailure(code: error.code, message: error.message, remedy: error.remedy)
            }
            if answer.end == true { return }
            if let line = answer.line, !take(line) { return }
        }
    }

    /// Sends a line and returns all that comes back.
    func ask(_ line: [UInt8], patienceSeconds: Int = Self.patienceSeconds) throws(AgentError) -> [UInt8] {
        let socket = try connect()
        defer { close(socket) }
        LocalSocket.setPatience(socket, seconds: patienceSeconds)
        guard LocalSocket.write(line + [UInt8(ascii: "\n")], to: socket),
            let answer = LocalSocket.read(socket, limit: AgentLimits.controlAnswerBytes, throughLine: false)
        else {
            throw AgentError(
                .notRunning, "The agent does not answer.", remedy: "See its log; ask again.", fault: .environment)
        }
        return answer
    }

    /// Connects to the agent, which has its socket elsewhere while its data folder takes no writes. Whoever calls
    /// closes the socket.
    func connect() throws(AgentError) -> Int32 {
        var others = RunFolder.candidates(data: data, runtime: runtime)
        let usual = others.removeFirst()
        do throws(AgentError) {
            return try LocalSocket.connect(folder: usual, name: ControlSocket.name)
        } catch {
            guard error.reason == .notRunning else { throw error }
            for folder in others where RunFolder.isTrusted(folder, data: data) {
                do throws(AgentError) {
                    return try LocalSocket.connect(folder: folder, name: ControlSocket.name)
                } catch {
                    if error.reason != .notRunning { throw error }
                }
            }
            throw error
        }
    }
}

extension AgentLimits {
    /// An answer on the control socket: all slots with their history.
    static let controlAnswerBytes = 1024 * 1024
}
