package import MartletAPI
import MartletTypes

/// What a rollout came to, for whoever waits for it.
package enum RolloutEnding: Sendable, Hashable {
    /// It completed and moved somebody.
    case completed
    /// It stopped, was taken back or moved nobody; one sentence says which.
    case failed(String)
    /// Nothing goes on before a person says so.
    case waitsForPerson(String)

    /// Nil while it goes on by itself.
    package static func of(_ info: RolloutInfo) -> RolloutEnding? {
        switch info.state {
        case .completed:
            if info.counts["succeeded", default: 0] > 0 { return .completed }
            return .failed("Rollout \(info.id) moved no device: \(StateCounts.text(info.counts)).")
        case .aborted: return .failed("Rollout \(info.id) was ended before completion: \(info.reason)")
        case .rolledBack: return .failed("Rollout \(info.id) was rolled back: \(info.reason)")
        case .paused: return .waitsForPerson("Rollout \(info.id) is paused: \(info.reason)")
        case .running where info.phase == RolloutWords.confirming:
            return .waitsForPerson("Rollout \(info.id) waits until somebody confirms the next wave.")
        case .draft, .running, .rollingBack: return nil
        }
    }
}
