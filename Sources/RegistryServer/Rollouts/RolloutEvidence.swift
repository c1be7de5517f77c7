import MartletTypes
import RegistryStore
import RolloutEngine

/// What a rollout's gates are told: which devices count on which side.
enum RolloutEvidence {
    /// What devices measured, for the metrics that the policy's gates look at.
    static func observations(
        _ row: RolloutRow, _ sql: any SQLConnection, now: Timestamp
    ) throws -> [DeviceObservation] {
        try EvidenceStore(sql).observations(try question(row, sql), now: now)
    }

    /// Candidates are devices that said that the target serves, or brought an evaluation or shadowing result of it;
    /// the baseline are those that have not switched and run something.
    static func question(_ row: RolloutRow, _ sql: any SQLConnection) throws -> EvidenceQuestion {
        let switches = try RolloutStore(sql).switches(row.id)
        var candidates: [EvidenceQuestion.Candidate] = []
        var baseline: [DeviceID] = []
        for member in row.run.members where member.restore == nil && member.takenBy == nil {
            if let since = switches[member.device], member.generation != nil {
                candidates.append(
                    .init(
                        device: member.device, since: since, evaluation: member.evaluation, shadow: member.shadow))
            } else if member.evaluation != nil || member.shadow != nil {
                candidates.append(
                    .init(
                        device: member.device, since: member.updated, evaluation: member.evaluation,
                        shadow: member.shadow))
            } else if member.state != .unreachable {
                baseline.append(member.device)
            }
        }
        return EvidenceQuestion(
            slot: row.slot, releases: row.releases, candidates: candidates, baseline: baseline,
            metrics: Set(row.run.header.policy.gates.map(\.metric)))
    }
}
