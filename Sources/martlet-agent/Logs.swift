import AgentEngine
import ArgumentParser
import Glibc
import MartletTypes

/// `martlet-agent logs`.
struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the last lines that the agent and its engines logged.",
        discussion: """
            The agent keeps its last lines in memory since its start, and each engine's output in a file of bounded \
            size. Neither holds prompts, answers or secrets. Under systemd, journalctl -u martlet-agent has older \
            lines of the agent.

            Examples:
              martlet-agent logs
              martlet-agent logs --slot triage --follow
              martlet-agent logs --lines 500 --output json
            """)

    @Option(help: "Of this slot alone: its engine's lines, and the agent's about it.")
    var slot: String?

    @Option(help: "How many of the agent's lines, and of each engine's.")
    var lines = 100

    @Flag(help: "Go on with lines as they come, until interrupted or until the agent ends.")
    var follow = false

    @OptionGroup var place: DataOption

    @Option(name: .shortAndLong, help: "table or json (an object in each line).")
    var output: Status.Form = .table

    func run() async throws {
        signal(SIGPIPE, SIG_DFL)
        try await ExitStatus.reporting {
            let request = LogRequest(slot: try slot.map { try SlotName($0) }, lines: lines, follows: follow)
            try place.client().logs(request) { line in
                StandardStream.output.write(text(line) + "\n")
                return true
            }
        }
    }

    private func text(_ line: LogLine) -> String {
        guard output == .table else {
            return (try? JSONText.encode(line)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
        }
        let source = line.slot.map { line.isEngine ? "engine \($0)" : "agent  \($0)" } ?? "agent"
        let head = [line.time.map { "\($0)" }, line.level, "[\(source)]"].compactMap(\.self).joined(separator: " ")
        return "\(head) \(line.text)"
    }
}
