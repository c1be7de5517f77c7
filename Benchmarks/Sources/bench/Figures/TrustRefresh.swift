import Foundation

extension Figures {
    /// What a device reads and holds to know that its assignment is still what publisher and director signed, by how
    /// many releases are published: on its first day, after one more release in the bin of its own, and without news.
    static func trustRefresh(_ releases: Int) -> Figure {
        let peer = "python-tuf 7.0.1's Updater (without assignment)"
        func goal(_ text: String) -> String? { releases == 100_000 ? text : nil }
        let columns: [Figure.Column] = [
            .init("first-bytes", unit: "bytes", peer: peer), .init("first-time", unit: "ms", peer: peer),
            .init("steady-bytes", unit: "bytes", goal: goal("<= 262144"), peer: peer),
            .init("steady-time", unit: "ms", peer: peer),
            .init("unchanged-bytes", unit: "bytes", goal: goal("<= 4096"), peer: peer),
            .init("unchanged-time", unit: "ms", peer: peer), .init("peak-memory", unit: "kB", peer: peer),
        ]
        return Figure("trust-refresh-\(releases)", runs: 5, columns) { workbench in
            let repository = try TrustRepository(workbench, releases: releases)
            var runs = 0
            return Figure.Session(
                martlet: {
                    runs += 1
                    return try repository.measure("martlet-\(runs)") { folder in
                        [
                            workbench.program("trust-bench"), "check", "--url", repository.url, "--repository",
                            repository.folder.path, "--metadata-dir", folder,
                        ]
                    }
                },
                peer: {
                    try repository.measure("peer-\(runs)") { folder in
                        [
                            repository.python, repository.script, "check", repository.url, repository.folder.path,
                            folder,
                        ]
                    }
                }, end: repository.end)
        }
    }
}

/// A repository of many releases behind a server that counts the bytes which it sends, heads included.
private struct TrustRepository {
    let workbench: Workbench
    let folder: URL
    let url: String
    let python: String
    let script: String
    private let server: Background

    init(_ workbench: Workbench, releases: Int) throws {
        self.workbench = workbench
        folder = workbench.folder.appendingPathComponent("repository")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try workbench.run([workbench.program("trust-bench"), "make", folder.path, "--releases", "\(releases)"])
        python = try workbench.run(["bash", workbench.fixture("tuf/python-env.sh")])
            .trimmingCharacters(in: .whitespacesAndNewlines)
        script = workbench.root.appendingPathComponent("Benchmarks/peers/tuf_peer.py").path
        let server = try Background(python, [script, "serve", folder.path], name: "server", in: workbench.folder)
        self.server = server
        try wait(for: "the server's port") { server.output.contains("\n") }
        url = "http://127.0.0.1:" + server.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func end() { server.stop() }

    private struct Report: Decodable {
        let milliseconds: Double
        let peakKilobytes: Double
    }

    /// A device from its first day on: nothing known, one release later, nothing new.
    func measure(_ device: String, _ command: (String) -> [String]) throws -> [String: Double] {
        let data = workbench.folder.appendingPathComponent(device)
        try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
        var values: [String: Double] = [:]
        for (state, version) in [("first", 1), ("steady", 2), ("unchanged", 2)] {
            let tuf = folder.appendingPathComponent("tuf")
            let timestamp = tuf.appendingPathComponent("timestamp.json")
            try Data(contentsOf: tuf.appendingPathComponent("timestamp.\(version).json"))
                .write(to: timestamp, options: .atomic)
            _ = try bytesSent()
            let output = try workbench.run(command(data.path))
            let report = try JSONDecoder().decode(Report.self, from: Data(output.utf8))
            values[state + "-bytes"] = try bytesSent()
            values[state + "-time"] = report.milliseconds
            values["peak-memory"] = max(values["peak-memory"] ?? 0, report.peakKilobytes)
        }
        return values
    }

    private func bytesSent() throws -> Double {
        let text = try workbench.run(["curl", "-sSf", url + "/count"])
        guard let count = Double(text) else { throw BenchError("the server counted \(text)") }
        return count
    }
}
