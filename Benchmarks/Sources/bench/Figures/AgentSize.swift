import Foundation

extension Figures {
    /// What the agent adds to a disk image and to every over-the-air update of itself.
    static var agentSize: Figure {
        Figure("agent-size", runs: 1, [.init(unit: "MB stripped", goal: "<= 20")]) { workbench in
            Figure.Session(martlet: {
                let copy = workbench.folder.appendingPathComponent("martlet-agent")
                try workbench.run(["strip", "-o", copy.path, workbench.program("martlet-agent")])
                let size = try copy.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
                guard size > 0 else { throw BenchError("strip wrote nothing") }
                return ["": Double(size) / 1_000_000]
            })
        }
    }
}
