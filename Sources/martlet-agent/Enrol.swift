import AgentEngine
import ArgumentParser

/// `martlet-agent enrol`.
struct Enrol: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make this box a device of a registry, by a join token.",
        discussion: """
            The token says whom to trust; nothing is trusted on first use. The device makes its own key, which never \
            leaves it. The configuration file is checked and kept in the data folder: its policy says what may run \
            here, whatever the registry says.

            Examples:
              martlet-agent enrol --join-file ward-3.join --name ward-3 \\
                --label site=berlin --config agent.json
              martlet token join | ssh box martlet-agent enrol --join-file - --name box
            """)

    @OptionGroup var place: DataOption

    @Option(help: "The join token. Prefer --join-file: other users can see a command line.")
    var join: String?

    @Option(help: "The file that holds the join token; - is standard input.")
    var joinFile: String?

    @Option(help: "The device's name: 1 to 63 lower-case letters, digits and inner hyphens.")
    var name: String

    @Option(name: .customLong("label"), help: "A label, KEY=VALUE; may be given several times.")
    var labels: [String] = []

    @Option(help: "The configuration file that the device shall keep (docs/formats/agent-config.md).")
    var config: String?

    @Flag(help: "Replace the identity that the data folder has.")
    var force = false

    func validate() throws {
        if (join == nil) == (joinFile == nil) {
            throw ValidationError("Give either --join TOKEN or --join-file FILE, as `martlet token join` printed it.")
        }
    }

    func run() async throws {
        var flags: [AgentOptions.Name: String] = [:]
        flags[.data] = place.data
        flags[.config] = config
        let options = AgentOptions(flags: flags, environment: Environment.variables)
        let order = EnrolmentOrder(
            join: join, joinFile: joinFile, name: name, labels: labels, data: place.path(options),
            config: options[.config]?.value, force: force, environment: Environment.variables)
        try await ExitStatus.reporting {
            let outcome = try await order.carryOut()
            StandardStream.output.write(
                "\(outcome.device) is enrolled with \(outcome.registry); "
                    + "its certificate holds until \(outcome.certificateEnds) and is renewed before.\n")
            if let warning = outcome.warning { StandardStream.error.write("martlet-agent: warning: \(warning)\n") }
        }
    }
}
