import ArgumentParser
import FoundationEssentials
import Glibc
import MartletTypes
import RegistryClient

@main
struct Load: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-load",
        abstract: "Send chat requests to gateways until told to stop, and count what comes back.",
        discussion: "Example: martlet-load --model triage --eval holdout.jsonl --seconds 10 http://127.0.0.1:9001")

    @Argument(help: "Gateways' addresses.") var gateways: [String]
    @Option(help: "The slot that is asked for.") var model: String
    @Option(help: "An evaluation set whose inputs are asked in turn.") var eval: String
    @Option(help: "Workers for each gateway.") var workers = 2
    @Option(help: "Every n-th request is streamed; 0 streams none.") var streamEvery = 3
    @Option(help: "Tokens of an answer.") var maxTokens = 12
    @Option(help: "Stop after this many seconds; without it at SIGTERM or SIGINT.") var seconds: Double?
    @Option(help: "Requests that each worker sends in any case, also after it was told to stop.") var least = 0
    @Option(help: "Milliseconds that a worker rests after an answer.") var restMilliseconds = 0

    func run() async throws {
        let bytes = Array(FileManager.default.contents(atPath: eval) ?? Data())
        let rows = try bytes.split(separator: UInt8(ascii: "\n")).map {
            try JSONText.decode(EvaluationRow.self, from: $0)
        }
        guard !rows.isEmpty else { throw ValidationError("\(eval) holds no rows") }
        let stop = StopSignal()
        if let seconds {
            Task {
                try await Task.sleep(for: .seconds(seconds))
                stop.set()
            }
        }
        let summary = try await withThrowingTaskGroup(of: [Outcome].self) { group in
            for gateway in gateways {
                let origin = try Origin(gateway)
                for worker in 0..<workers {
                    let caller = Worker(
                        origin: origin, model: model, rows: rows, first: worker * 7, streamEvery: streamEvery,
                        maxTokens: maxTokens, least: least, rest: .milliseconds(restMilliseconds))
                    group.addTask { try await caller.run(until: stop) }
                }
            }
            var all: [Outcome] = []
            for try await outcomes in group { all += outcomes }
            return Summary(all)
        }
        print(String(decoding: try JSONText.encode(summary, pretty: true), as: UTF8.self))
        if summary.failed > 0 { throw ExitCode(1) }
    }
}

/// Set by SIGTERM, SIGINT or the end of the time; looked at between requests, so that none is cut.
final class StopSignal: Sendable {
    init() {
        // A handler may only touch a plain flag.
        signal(SIGTERM) { _ in stopRequested = 1 }
        signal(SIGINT) { _ in stopRequested = 1 }
    }

    var isSet: Bool { stopRequested != 0 }
    func set() { stopRequested = 1 }
}

/// Written by the signal handler, read by the workers; one aligned word that only ever goes from 0 to 1.
nonisolated(unsafe) private var stopRequested: sig_atomic_t = 0
