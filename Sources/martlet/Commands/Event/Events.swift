import ArgumentParser
import MartletAPI
import MartletTypes
import RegistryClient
import Synchronization

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
        try await EventFollower(registry: registry, filter: filter, format: format).follow(after: after, last: limit)
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

/// Follows the stream, and takes it up again where it broke off.
private struct EventFollower {
    let registry: OperatorClient
    let filter: EventFilter
    let format: OutputFormat

    func follow(after: String?, last: Int) async throws {
        let seen = Mutex(after)
        let isOpened = Mutex(false)
        var pause = Duration.seconds(1)
        var isFirst = true
        while true {
            let before = seen.withLock { $0 }
            do {
                let last = isFirst ? min(last, Self.most) : 0
                try await registry.followEvents(filter, after: before, last: last) { event in
                    isOpened.withLock { $0 = true }
                    try Self.take(event, format)
                    if let id = event.id { seen.withLock { $0 = id } }
                }
            } catch let error as ClientError {
                // What was wrong from the start, or is refused, is not tried again.
                let isRefused = error.status.map { (400..<500).contains($0) } ?? false
                guard isOpened.withLock({ $0 }), !isRefused else { throw error }
                StandardError.write("martlet: the registry is away; waiting for it.\n")
            }
            isFirst = false
            pause = seen.withLock { $0 } == before ? min(pause * 2, .seconds(30)) : .seconds(1)
            try await Task.sleep(for: pause)
        }
    }

    /// As many as a stream may begin with.
    private static let most = 1000

    private static func take(_ event: StreamedEvent, _ format: OutputFormat) throws {
        guard event.type != StreamedEvent.position else { return }
        guard event.type != EventStreamWords.gap else {
            StandardError.write("martlet: older events are not kept any more; some are missing here.\n")
            return
        }
        try Events.show(try JSONText.decode(EventRecord.self, from: Array(event.data.utf8)), format)
    }
}
