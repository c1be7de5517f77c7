import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

/// Gathers what devices proved on themselves by hardware profile: a release that is right on one board may be slow, or
/// wrong, on another.
struct ProofsByProfile {
    /// One device's results.
    struct Result {
        let device: DeviceID
        let profile: String
        let evaluation: EvaluationResult?
        let shadow: ShadowResult?
    }

    /// By the profiles' names; only those of which a device brought a result.
    let proofs: [ProfileProof]

    init(_ results: [Result]) {
        let groups = Dictionary(grouping: results, by: \.profile).sorted { $0.key < $1.key }
        proofs = groups.compactMap { profile, results in
            let (evaluation, shadow) = (Self.evaluation(results), Self.shadow(results))
            guard evaluation != nil || shadow != nil else { return nil }
            return ProfileProof(profile: profile, evaluation: evaluation, shadow: shadow)
        }
    }

    /// Of a rollout's devices; of very many an even sample.
    init(_ members: [RolloutMember], _ sql: any SQLConnection) throws {
        let some = EvidenceStore.sample(members.filter { $0.evaluation != nil || $0.shadow != nil })
        self.init(
            try some.map {
                Result(
                    device: $0.device, profile: try DeviceStore(sql).profile(of: $0.device) ?? "",
                    evaluation: $0.evaluation, shadow: $0.shadow)
            })
    }

    private static func evaluation(_ results: [Result]) -> ProfileProof.Evaluation? {
        let found = results.compactMap { result in
            result.evaluation.flatMap { $0.rows > 0 ? (device: result.device, result: $0) : nil }
        }
        guard let lowest = found.min(by: { ($0.result.accuracy, $0.device) < ($1.result.accuracy, $1.device) })
        else { return nil }
        let all = found.map(\.result)
        let labelled = all.compactMap(\.macroF1)
        return ProfileProof.Evaluation(
            devices: all.count, passed: all.count(where: \.passed), rows: sum(all.map(\.rows)),
            correct: sum(all.map(\.correct)), lowestAccuracy: lowest.result.accuracy, lowest: lowest.device,
            macroF1: labelled.isEmpty ? nil : Middle.median(labelled),
            medianMilliseconds: Middle.median(all.map(\.medianMilliseconds)),
            slowestP95Milliseconds: all.compactMap(\.p95Milliseconds).max())
    }

    private static func shadow(_ results: [Result]) -> ProfileProof.Shadow? {
        let found = results.compactMap { result in
            result.shadow.flatMap { shadow in shadow.agreement.map { (result.device, shadow, agreement: $0) } }
        }
        guard let lowest = found.min(by: { ($0.agreement, $0.0) < ($1.agreement, $1.0) }) else { return nil }
        let all = found.map(\.1)
        return ProfileProof.Shadow(
            devices: all.count, compared: sum(all.map(\.compared)), agreed: sum(all.map(\.agreed)),
            lowestAgreement: lowest.agreement, lowest: lowest.0,
            liveMedianMilliseconds: Middle.median(all.map(\.liveMedianMilliseconds)),
            candidateMedianMilliseconds: Middle.median(all.map(\.candidateMedianMilliseconds)))
    }

    /// Devices may say any number.
    private static func sum(_ counts: [Int]) -> Int {
        counts.reduce(0) { $0.addingReportingOverflow($1).overflow ? .max : $0 + $1 }
    }
}
