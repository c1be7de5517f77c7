import Foundation

extension Figures {
    /// The rollout engine alone, without database and network: what it costs to let time pass, to take in what a device
    /// reports, to take every device back, and to remember them, by the number of devices.
    static func rolloutEngine(_ devices: Int) -> Figure {
        let columns: [Figure.Column] = [
            .init("tick", unit: "µs", goal: "<= 1000"), .init("longest-tick", unit: "ms"),
            .init("event", unit: "µs"), .init("rollback", unit: "ms"), .init("plan", unit: "ms"),
            .init("load", unit: "ms"), .init("memory", unit: "bytes/device"),
        ]
        return Figure("rollout-engine-\(devices)", runs: 3, columns) { workbench in
            Figure.Session(martlet: {
                let output = try workbench.run([workbench.program("rollout-bench"), "--devices", "\(devices)"])
                let found = try JSONDecoder().decode(EngineCosts.self, from: Data(output.utf8))
                return [
                    "tick": found.tickMicroseconds, "longest-tick": found.longestTickMilliseconds,
                    "event": found.eventMicroseconds, "rollback": found.rollbackMilliseconds,
                    "plan": found.planMilliseconds, "load": found.loadMilliseconds, "memory": found.bytesPerDevice,
                ]
            })
        }
    }
}

/// What `rollout-bench` prints.
private struct EngineCosts: Decodable {
    let planMilliseconds: Double
    let eventMicroseconds: Double
    let tickMicroseconds: Double
    let longestTickMilliseconds: Double
    let rollbackMilliseconds: Double
    let loadMilliseconds: Double
    let bytesPerDevice: Double
}
