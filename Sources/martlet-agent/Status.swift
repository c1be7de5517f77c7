import AgentEngine
import ArgumentParser
import MartletTypes

/// `martlet-agent status`.
struct Status: AsyncParsableCommand {
    /// The two forms of output.
    enum Form: String, ExpressibleByArgument, CaseIterable {
        case table
        case json
    }

    static let configuration = CommandConfiguration(
        abstract: "Show what the agent on this box does.",
        discussion: """
            Asks the agent that runs with the data folder, over its control socket; for its own user and root.

            Example:
              martlet-agent status --data /srv/martlet --output json
            """)

    @OptionGroup var place: DataOption

    @Option(name: .shortAndLong, help: "table or json.")
    var output: Form = .table

    func run() async throws {
        try await ExitStatus.reporting {
            let status = try place.client().status()
            switch output {
            case .table: StandardStream.output.write(StatusTable.text(status))
            case .json:
                StandardStream.output.write(
                    String(decoding: try JSONText.encode(status, pretty: true), as: UTF8.self) + "\n")
            }
        }
    }
}

/// The status for people.
enum StatusTable {
    static func text(_ status: AgentStatus) -> String {
        let agent = status.agent
        var text = """
            device       \(agent.device)
            registry     \(agent.registry)
            version      \(agent.version), since \(agent.started)
            gateway      \(agent.gateway)
            profile      \(agent.profile)
            certificate  \(agent.registry == "none" ? "none" : "until \(agent.certificateEnds)")
            assignment   \(agent.assignment)
            store        \(agent.storeBytes?.description ?? "cannot be read")
            waiting      \(agent.waitingReports) reports

            """
        if let memory = agent.memory {
            text += "memory       \(memory.taken) of \(memory.budget?.description ?? "an unknown budget") for engines\n"
            text += "limits       \(memory.limits)\n"
        }
        if let refusal = agent.refusal { text += "refused      \(refusal)\n" }
        if let distrust = agent.clockDistrust { text += "clock        not trusted: \(distrust)\n" }
        for problem in agent.problems { text += "problem      \(problem.text)\n" }
        guard !status.slots.isEmpty else { return text + "\nNo slot is assigned.\n" }
        let heads = ["SLOT", "PHASE", "SERVES", "RELEASE", "PREVIOUS", "ASSIGNED"]
        let rows = status.slots.map { slot in
            [
                slot.slot.text, slot.phase, slot.serving ? "yes" : "no", names(slot.current), names(slot.previous),
                names(slot.assigned),
            ]
        }
        text += "\n" + aligned([heads] + rows)
        for slot in status.slots {
            if let override = slot.override { text += "\(slot.slot): \(override)\n" }
            if let engine = slot.engine, slot.serving, engine != "running" {
                text += "\(slot.slot): \(engine)\n"
            }
            if let limits = slot.limits { text += "\(slot.slot): limited to \(limits)\n" }
            if let retryAt = slot.retryAt { text += "\(slot.slot): tried again at \(retryAt)\n" }
        }
        return text
    }

    private static func names(_ paths: [ReleasePath]) -> String {
        paths.isEmpty ? "-" : paths.map(\.reference).joined(separator: "+")
    }

    static func aligned(_ rows: [[String]]) -> String {
        let widths = (0..<(rows.first?.count ?? 0)).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed()) + "\n"
        }.joined()
    }
}
