import AgentEngine
import ArgumentParser
import Glibc
import MartletTypes

/// `martlet-agent install`.
struct Install: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring a file of `martlet export` onto this device.",
        discussion: """
            Gives the file to the agent that runs with the data folder, which checks it as if it came from the \
            registry: metadata, assignment, manifests, every byte, the GGUF. Nothing of the file is used before. A \
            file with an assignment for this device moves its slots; one without needs --slot, root, and \
            "offlineInstall": "allowed" in the device's own policy. A run that was cut off goes on.

            Examples:
              martlet-agent install --from /media/stick/ward-3.tar
              martlet-agent install --from triage.tar --slot triage --wait 300
            """)

    @OptionGroup var place: DataOption

    @Option(help: "The file.")
    var from: String

    @Option(help: "The slot, for a file without an assignment.")
    var slot: String?

    @Option(help: "Wait so many seconds until the slots serve what the file brought.")
    var wait: Int?

    @Option(name: .shortAndLong, help: "table or json.")
    var output: Status.Form = .table

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        var flags: [AgentOptions.Name: String] = [:]
        flags[.data] = place.data
        let data = place.path(AgentOptions(flags: flags, environment: Environment.variables))
        try await ExitStatus.reporting {
            let shown = Percent(isShown: output == .table)
            let done = try BundleSender(data: data).send(from, slot: slot) { shown.update($0, of: $1) }
            if let wait { try await waitUntilServing(done, data, seconds: wait) }
            switch output {
            case .table:
                for (slot, releases) in done.slots.sorted(by: { $0.key < $1.key }) {
                    let names = releases.map(\.reference).joined(separator: "+")
                    StandardStream.output.write("\(slot): \(names) \(wait == nil ? "is in the store" : "serves")\n")
                }
            case .json:
                StandardStream.output.write(
                    String(decoding: try JSONText.encode(done, pretty: true), as: UTF8.self) + "\n")
            }
        }
    }

    /// Looks until every slot serves what came; a slot that failed is told with its last step.
    private func waitUntilServing(_ done: InstallAnswer.Done, _ data: String, seconds: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let status = try ControlClient(data: data).status()
            let waiting = done.slots.filter { slot, releases in
                let now = status.slots.first { $0.slot == slot }
                return now?.current != releases || now?.serving != true || now?.phase != "committed"
            }
            if waiting.isEmpty { return }
            let failed = status.slots.first { waiting[$0.slot] != nil && $0.phase == "failed" }
            guard failed == nil, ContinuousClock.now < deadline else {
                throw NotServing(slots: status.slots.filter { waiting[$0.slot] != nil })
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }
}

/// A slot that does not serve what was brought.
private struct NotServing: MartletError {
    let slots: [AgentStatus.Slot]

    let code = "notServing"
    var message: String {
        slots.map { slot in
            "Slot \(slot.slot) is \(slot.phase)"
                + (slot.override.map { ": \($0)" } ?? slot.history.first.map { ": \($0.cause)" } ?? "")
        }.joined(separator: "; ") + "."
    }
    let remedy = "See `martlet-agent status` and the agent's log."
    let fault = ErrorFault.environment
}

/// How much of the file was given to the agent, on standard error.
private final class Percent {
    private let isShown: Bool
    private let isTerminal = isatty(2) == 1
    private var last: Int64 = -1

    init(isShown: Bool) { self.isShown = isShown }

    func update(_ done: Int64, of total: Int64) {
        let percent = total > 0 ? done * 100 / total : 100
        guard isShown, percent != last, isTerminal || percent / 25 != last / 25 else { return }
        last = percent
        let end = isTerminal && percent < 100 ? "\r" : "\n"
        StandardStream.error.write("\(percent)% of \(ByteCount(total))\(end)")
    }
}
