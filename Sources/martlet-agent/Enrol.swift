import AgentEngine
import ArgumentParser
import MartletTypes

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

            A box that never has a network gets the registry's first root by hand instead (docs/offline.md), and its \
            releases by `martlet-agent install`:
              martlet-agent enrol --trust-root 1.root.json --name kiosk --config agent.json
            """)

    @OptionGroup var place: DataOption

    @Option(help: "The join token. Prefer --join-file: other users can see a command line.")
    var join: String?

    @Option(help: "The file that holds the join token; - is standard input.")
    var joinFile: String?

    @Option(help: "For a box without a network: the file of the registry's first root metadata.")
    var trustRoot: String?

    @Option(help: "The device's name: 1 to 63 lower-case letters, digits and inner hyphens.")
    var name: String

    @Option(name: .customLong("label"), help: "A label, KEY=VALUE; may be given several times.")
    var labels: [String] = []

    @Option(help: "The configuration file that the device shall keep (docs/formats/agent-config.md).")
    var config: String?

    @Flag(help: "Replace the identity that the data folder has.")
    var force = false

    func validate() throws {
        guard [join, joinFile, trustRoot].count(where: { $0 != nil }) == 1 else {
            throw ValidationError(
                "Give one of --join TOKEN and --join-file FILE (`martlet token join` prints it), or --trust-root FILE.")
        }
    }

    func run() async throws {
        var flags: [AgentOptions.Name: String] = [:]
        flags[.data] = place.data
        flags[.config] = config
        let options = AgentOptions(flags: flags, environment: Environment.variables)
        if let trustRoot {
            try await withoutRegistry(
                OfflineEnrolment(
                    trustRoot: trustRoot, name: name, labels: labels, data: place.path(options),
                    config: options[.config]?.value, force: force))
            return
        }
        let order = EnrolmentOrder(
            join: join, joinFile: joinFile, name: name, labels: labels, data: place.path(options),
            config: options[.config]?.value, force: force, environment: Environment.variables)
        try await ExitStatus.reporting {
            let outcome = try await order.carryOut()
            StandardStream.output.write(
                "\(outcome.device) is enrolled with \(outcome.registry); "
                    + "its certificate holds until \(outcome.certificateEnds) and is renewed before.\n")
            if outcome.waitsForApproval {
                StandardStream.output.write(
                    "It waits for an operator's approval: martlet devices approve \(outcome.device)\n")
            }
            if let warning = outcome.warning { StandardStream.error.write("martlet-agent: warning: \(warning)\n") }
        }
    }

    private func withoutRegistry(_ enrolment: OfflineEnrolment) async throws {
        try await ExitStatus.reporting {
            let outcome = try await enrolment.carryOut()
            StandardStream.output.write(
                "\(outcome.device) is enrolled without a registry. It believes the root \(outcome.root): compare it "
                    + "with `martlet trust status`.\n")
            if let warning = outcome.warning { StandardStream.error.write("martlet-agent: warning: \(warning)\n") }
        }
    }
}
