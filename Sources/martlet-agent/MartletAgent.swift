import ArgumentParser
import MartletTypes

/// `martlet-agent`.
@main
struct MartletAgent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-agent",
        abstract: "The agent of a device: brings assigned models, proves them, serves them, and takes them back.",
        discussion: """
            Options can be given as environment variables instead: --gateway-socket as \
            MARTLET_AGENT_GATEWAY_SOCKET. An option on the command line wins over its variable, and both win over \
            the configuration file.

            Exit codes: 64 wrong usage, 69 something needed is not there (registry, port, engine, agent), 73 cannot \
            create, 74 files, 76 the registry is not the one to trust, 77 refused, 78 wrong configuration.
            """,
        version: MartletVersion.stamped,
        subcommands: [
            Enrol.self, Run.self, Install.self, Rollback.self, Status.self, Explain.self, Logs.self, Doctor.self,
            Scrub.self, RunEngine.self, UnpackEngine.self, CheckWeights.self, ProgramFactsCommand.self, WatchTrial.self,
            Version.self,
        ])
}

/// `martlet-agent version`.
struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    func run() {
        StandardStream.output.write("martlet-agent \(MartletVersion.stamped)\n")
    }
}
