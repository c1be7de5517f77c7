internal import MartletTypes

/// Waits when a wave is over and not one of its devices serves the target: nothing is known about it then.
struct EvidenceGate: RolloutGate {
    func verdict(over evidence: GateEvidence) -> GateVerdict {
        guard evidence.waveSucceeded == 0 else { return .passed }
        return .waiting(
            "none of the \(Phrase.devices(evidence.waveDevices)) of wave \(evidence.wave + 1) serves the target, so "
                + "nothing is known about it; resume to go on all the same")
    }
}
