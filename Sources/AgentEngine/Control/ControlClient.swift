internal import Glibc
internal import MartletTypes

/// Asks the agent that runs with a data folder.
package struct ControlClient: Sendable {
    private let folder: String

    /// `data` is the agent's data folder.
    package init(data: String) { folder = data + "/run" }

    /// The agent's status. Blocks up to a few seconds. Throws `notRunning`, `untrusted`, `badAnswer`.
    package func status() throws -> AgentStatus {
        try AgentStatus(lines: try ask(JSONText.encode(ControlQuestion(command: ControlQuestion.status))))
    }

    /// Sends a line and returns all that comes back.
    func ask(_ line: [UInt8]) throws(AgentError) -> [UInt8] {
        let socket = try LocalSocket.connect(folder: folder, name: ControlSocket.name)
        defer { close(socket) }
        LocalSocket.setPatience(socket, seconds: 10)
        guard LocalSocket.write(line + [UInt8(ascii: "\n")], to: socket),
            let answer = LocalSocket.read(socket, limit: AgentLimits.controlAnswerBytes, throughLine: false)
        else {
            throw AgentError(
                .notRunning, "The agent does not answer.", remedy: "See its log; ask again.", fault: .environment)
        }
        return answer
    }
}

extension AgentLimits {
    /// An answer on the control socket: all slots with their history.
    static let controlAnswerBytes = 1024 * 1024
}
