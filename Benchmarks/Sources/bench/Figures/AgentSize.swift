import Foundation

extension Figures {
    /// What the agent adds to a disk image and to every over-the-air update of itself.
    static let agentSize = Figure("agent-size", unit: "MB stripped", goal: "<= 20", runs: 1) { workbench in
        let copy = workbench.folder.appendingPathComponent("martlet-agent")
        _ = try workbench.run("strip", "-o", copy.path, workbench.program("martlet-agent"))
        let size = try copy.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
        guard size > 0 else { throw BenchError("strip wrote nothing") }
        return Double(size) / 1_000_000
    }
}
