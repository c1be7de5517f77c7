import FleetSimulation
import Foundation
import MartletTypes

/// Writes what devices do into a file, a line of JSON for each event.
struct EventLog {
    private let file: FileHandle
    private let events: AsyncStream<FleetEvent>

    init(path: String, _ events: AsyncStream<FleetEvent>) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let file = FileHandle(forWritingAtPath: path)
        else {
            throw SimulationError(.badOption, "\(path) cannot be written.", remedy: "Give another file for --events.")
        }
        self.file = file
        self.events = events
    }

    /// Until the fleet stops. A full disk ends the log, not the fleet.
    func write() async {
        for await event in events {
            guard let line = try? JSONText.encode(event) else { continue }
            do {
                try file.write(contentsOf: Data(line + [UInt8(ascii: "\n")]))
            } catch {
                Run.complain("martlet-fleetsim: the log of events ends: \(error)")
                return
            }
        }
    }
}
