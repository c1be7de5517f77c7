internal import MartletTypes

/// A condition on what was measured so far. One file for each; `RolloutGates` lists them.
protocol RolloutGate: Sendable {
    /// The verdict over `evidence`. A gate without enough data waits; it never guesses.
    func verdict(over evidence: GateEvidence) -> GateVerdict
}

/// What a gate says.
enum GateVerdict: Sendable, Hashable {
    case passed
    /// Not enough data to go on, with what is missing.
    case waiting(String)
    /// The rollout must stop, with why.
    case failed(String)
}

/// What gates judge by.
struct GateEvidence {
    let policy: RolloutPolicy
    /// The wave at work, from 0, and how many there are.
    let wave: Int
    let waveCount: Int
    /// Devices that were offered the target so far.
    let offered: Int
    /// Those that tried it and did not come to serve it.
    let failed: [RolloutMember]
    /// How many failures a person has accepted by resuming.
    let acceptedFailures: Int
    /// In the wave at work: devices, and those that serve the target.
    let waveDevices: Int
    let waveSucceeded: Int
}

/// The gates and when each is asked.
enum RolloutGates {
    /// Asked after every event.
    static let always: [any RolloutGate] = [FailureCountGate()]
    /// Asked when a wave is over and another would follow.
    static let betweenWaves: [any RolloutGate] = [EvidenceGate()]
}
