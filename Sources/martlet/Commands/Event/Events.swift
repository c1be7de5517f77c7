import ArgumentParser
import MartletAPI
import MartletTypes
import RegistryClient

struct Events: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what happened, and what happens.",
        discussion: """
            With --output json each event is one line. A token that is limited to namespaces or fleets sees what is \
            about those.

            Examples:
              martlet events --limit 20
              martlet events --follow --type 'rollout.*' --type device.failed
            """)
    @Flag(name: .shortAndLong, help: "Go on with what happens, until Ctrl-C.") var follow = false
    @Option(help: "A type such as rollout.paused, or a group such as rollout.*; may be given several times.")
    var type: [String] = []
    @Option(help: "How many of the newest events (default: 50).", transform: Count.positive) var limit = 50
    @Option(help: "With --follow: begin after the event with this id.") var after: String?
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard after == nil || follow else { throw ValidationError("--after goes with --follow.") }
    }

    func run() async throws {
        let registry = try options.session().registry
        let filter = try EventFilter(type.joined(separator: ","))
        let format = options.printer.format
        guard follow else {
            for event in try await registry.events(filter, limit: limit).reversed() { try Self.show(event, format) }
            return
        }
        try await EventFollower(registry: registry, filter: filter).follow(after: after, last: limit) { moment in
            switch moment {
            case .opened: break
            case .event(let event): try Self.show(event, format)
            case .gap: StandardError.write("martlet: older events are not kept any more; some are missing here.\n")
            case .lost: StandardError.write("martlet: the registry is away; waiting for it.\n")
            }
        }
    }

    /// One line for one event.
    static func show(_ event: EventRecord, _ format: OutputFormat) throws {
        let line: String
        switch format {
        case .json: line = String(decoding: try JSONText.encode(event), as: UTF8.self)
        case .table:
            let words = ["reason", "code", "actor"].compactMap { event.data[$0]?.string }.filter { !$0.isEmpty }
            line = Printable.text("\(event.time)  \(event.type)  \(event.subject)  " + words.joined(separator: " · "))
        }
        // At once, also into a pipe that somebody reads line by line.
        StandardOutput.write(line + "\n")
    }
}
