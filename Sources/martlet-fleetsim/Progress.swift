import FleetSimulation
import Foundation

/// Tells every few seconds how the fleet stands, on standard error.
struct Progress {
    /// Tells nothing: the summary alone is wanted.
    let isQuiet: Bool

    func follow(_ fleet: Fleet) async {
        guard !isQuiet else { return }
        var last = ""
        while !Task.isCancelled {
            guard let line = try? await fleet.figures().line else { return }
            if line != last { Run.complain(line) }
            last = line
            do { try await Task.sleep(for: .seconds(2)) } catch { return }
        }
    }
}
