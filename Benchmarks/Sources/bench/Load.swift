import Foundation

/// Requests that `martlet-load` sends to one address.
struct Load {
    /// What it prints at its end.
    struct Figures: Decodable {
        let sent: Int
        let failed: Int
        let p50Milliseconds: Double
        let p99Milliseconds: Double
        let maxMilliseconds: Double
        let failures: [String: Int]
    }

    let workbench: Workbench
    /// The evaluation set whose questions are asked.
    let eval: String
    var workers = 2
    var restMilliseconds = 20
    /// Every n-th answer is streamed; 0 streams none.
    var streamEvery = 3
    var maxTokens = 12

    /// Sends for some seconds.
    func run(at address: String, seconds: Double) throws -> Figures {
        let load = try start(address, ["--seconds", String(seconds)])
        try wait(for: "the end of the load", within: seconds + 130) { !load.isRunning }
        return try figures(of: load)
    }

    /// Sends while `work` is done, from a second before to a second after it.
    func run(at address: String, during work: () throws -> Void) throws -> Figures {
        let load = try start(address, [])
        defer { load.stop() }
        sleep(1)
        try work()
        sleep(1)
        load.stop(grace: 130)
        return try figures(of: load)
    }

    private func start(_ address: String, _ arguments: [String]) throws -> Background {
        try Background(
            workbench.program("martlet-load"),
            [
                "--model", "triage", "--eval", eval, "--workers", "\(workers)", "--rest-milliseconds",
                "\(restMilliseconds)", "--stream-every", "\(streamEvery)", "--max-tokens", "\(maxTokens)",
            ] + arguments + [address], name: "load-\(UUID().uuidString)", in: workbench.folder)
    }

    private func figures(of load: Background) throws -> Figures {
        load.stop()
        do {
            let figures = try JSONDecoder().decode(Figures.self, from: Data(load.output.utf8))
            guard figures.sent > figures.failed else { throw BenchError("no request succeeded: \(figures.failures)") }
            return figures
        } catch is DecodingError {
            throw BenchError("martlet-load printed no figures: \(load.output.prefix(1000))")
        }
    }
}
