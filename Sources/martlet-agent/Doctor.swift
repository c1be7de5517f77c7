import AgentEngine
import ArgumentParser
import MartletTypes

/// `martlet-agent doctor`.
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find what is wrong with this device, and say what to do about it.",
        discussion: """
            Looks at configuration, data folder, disk, clock, certificate, the way to the registry, the owner's \
            metadata, engine, models, gateway and the box itself, whether the agent runs or not, and changes nothing. \
            Run it as root or as the agent's user, with the options and variables that the agent is given.

            Exit codes: 0 nothing is wrong (notes at most), 1 warnings, 2 errors. docs/doctor.md explains each finding.

            Examples:
              martlet-agent doctor
              martlet-agent doctor --data /srv/martlet --output json
            """)

    @OptionGroup var place: DataOption

    @Option(help: "The configuration file (default: $MARTLET_AGENT_SYSTEM_CONFIG, then the one kept at enrolment).")
    var config: String?

    @Option(help: "Where the gateway listens (default 127.0.0.1:8080).")
    var gateway: String?

    @Option(help: "A UNIX socket where the gateway listens too.")
    var gatewaySocket: String?

    @Option(help: "The engine's program (default: looked for as the agent does).")
    var llamaServer: String?

    @Option(name: .shortAndLong, help: "table or json.")
    var output: Status.Form = .table

    func run() async throws {
        var flags: [AgentOptions.Name: String] = [:]
        flags[.data] = place.data
        flags[.config] = config
        flags[.gateway] = gateway
        flags[.gatewaySocket] = gatewaySocket.map(AbsolutePath.of)
        flags[.llamaServer] = llamaServer.map(AbsolutePath.of)
        let environment = Environment.variables
        let options = AgentOptions(flags: flags, environment: environment)
        let scene = AgentEngine.Doctor.Scene(data: place.path(options), options: options, environment: environment)
        let diagnosis = await AgentEngine.Doctor(scene).examine()
        try await ExitStatus.reporting {
            switch output {
            case .table: StandardStream.output.write(DiagnosisTable.text(diagnosis))
            case .json:
                StandardStream.output.write(
                    String(decoding: try JSONText.encode(diagnosis, pretty: true), as: UTF8.self) + "\n")
            }
        }
        switch diagnosis.worst {
        case .error: throw ExitCode(2)
        case .warning: throw ExitCode(1)
        case .note, nil: return
        }
    }
}

/// A diagnosis for people.
enum DiagnosisTable {
    static func text(_ diagnosis: Diagnosis) -> String {
        var text = "\(diagnosis.data): the agent \(diagnosis.agentRuns ? "runs" : "does not run")\n"
        for finding in diagnosis.findings {
            text += "\n\(finding.severity.rawValue): \(finding.id) at \(finding.place)\n  \(finding.message)\n"
            if !finding.remedy.isEmpty { text += "  -> \(finding.remedy)\n" }
        }
        text += "\n"
        if !diagnosis.passed.isEmpty { text += "well     \(diagnosis.passed.joined(separator: ", "))\n" }
        for skipped in diagnosis.skipped { text += "skipped  \(skipped.check): \(skipped.reason)\n" }
        return text
    }
}
