import AgentEngine
import ArgumentParser
import MartletTypes

/// `martlet-agent run-engine`: what the unit martlet-runtime@ starts. Not for people.
struct RunEngine: AsyncParsableCommand {
    static let configuration = CommandConfiguration.hidden(
        "run-engine", "Become the engine that the agent ordered in a folder", caller: "systemd",
        example: "/var/lib/martlet-agent/run/engines/triage/12")

    @Argument(help: "The engine's folder, with the order in it.")
    var folder: String

    func run() async throws {
        try await ExitStatus.reporting { try OrderedEngine.become(in: folder) }
    }
}
