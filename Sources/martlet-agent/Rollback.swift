import AgentEngine
import ArgumentParser
import MartletTypes

/// `martlet-agent rollback`.
struct Rollback: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take a slot back to what served before, by a decision on this box.",
        discussion: """
            What served before is on the disk still and needs no network. An installation at work is given up; else \
            the slot goes back one generation. It stays there until the registry assigns something newer, and the \
            registry is told that people here decided it. The device's own policy may forbid it ("localRollback": \
            "refused"), and nothing goes back to what its publisher took back for good.

            Examples:
              martlet-agent rollback triage
              martlet-agent rollback triage --wait 60 --output json
            """)

    @Argument(help: "The slot.")
    var slot: String

    @OptionGroup var place: DataOption

    @Option(help: "Wait so many seconds until the slot serves what it went back to.")
    var wait: Int?

    @Option(name: .shortAndLong, help: "table or json.")
    var output: Status.Form = .table

    func run() async throws {
        try await ExitStatus.reporting {
            let client = place.client()
            let done = try client.rollback(slot)
            if let wait { try await waitUntilBack(done, client, seconds: wait) }
            switch output {
            case .table:
                let went = wait == nil ? "goes" : "went"
                StandardStream.output.write(
                    "\(done.slot): \(went) back from \(names(done.from)) to \(names(done.to))\n")
            case .json:
                StandardStream.output.write(
                    String(decoding: try JSONText.encode(done, pretty: true), as: UTF8.self) + "\n")
            }
        }
    }

    private func waitUntilBack(_ done: LocalRollback, _ client: ControlClient, seconds: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let now = try client.status().slots.first { $0.slot == done.slot }
            if let now, now.current == done.to, now.serving, now.phase == "failed" { return }
            guard ContinuousClock.now < deadline else { throw NotBack(done: done) }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private func names(_ paths: [ReleasePath]) -> String {
        paths.isEmpty ? "nothing" : paths.map(\.reference).joined(separator: "+")
    }
}

/// A slot that does not serve yet what it goes back to.
private struct NotBack: MartletError {
    let done: LocalRollback

    let code = "notServing"
    var message: String { "Slot \(done.slot) does not serve yet what it goes back to." }
    let remedy = "See `martlet-agent status` and `martlet-agent logs`; it goes on by itself."
    let fault = ErrorFault.environment
}
