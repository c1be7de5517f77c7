import FleetSimulation
import Foundation
import Yams

/// The profile as people write it.
enum ProfileFile {
    /// Reads YAML; throws `badProfile` with the field that is wrong.
    static func read(_ path: String) throws -> FleetProfile {
        let remedy = "docs/fleetsim.md describes the profile's fields."
        guard let data = FileManager.default.contents(atPath: path), data.count <= SimulationLimits.profileBytes else {
            throw SimulationError(
                .badProfile, "\(path) cannot be read, or is over \(SimulationLimits.profileBytes) bytes.",
                remedy: remedy)
        }
        do {
            return try YAMLDecoder().decode(FleetProfile.self, from: data)
        } catch let error as DecodingError {
            throw SimulationError(.badProfile, "\(path): \(Self.text(of: error)).", remedy: remedy)
        } catch {
            throw SimulationError(.badProfile, "\(path): \(error)", remedy: remedy)
        }
    }

    private static func text(of error: DecodingError) -> String {
        let context =
            switch error {
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
                .dataCorrupted(let context):
                context
            @unknown default: DecodingError.Context(codingPath: [], debugDescription: "\(error)")
            }
        let path = context.codingPath.map(\.stringValue).joined(separator: ".")
        return (path.isEmpty ? "" : path + ": ") + context.debugDescription
    }
}
