import MartletAPI
import MartletTypes

/// What devices of one profile proved, in one line.
struct ProofLine {
    private let proof: ProfileProof

    init(_ proof: ProfileProof) { self.proof = proof }

    /// `  pi-5  12 devices: 1152 of 1200 right, lowest 0.93 (box-7), median 12 ms; shadow 48 of 50 agree, …`.
    var text: String {
        let parts = [proof.evaluation.map(Self.text), proof.shadow.map(Self.text)].compactMap(\.self)
        return "  \(proof.profile.isEmpty ? "no profile" : proof.profile)  \(parts.joined(separator: "; "))"
    }

    private static func text(_ found: ProfileProof.Evaluation) -> String {
        var parts = ["\(found.correct) of \(found.rows) right"]
        if found.devices > 1 { parts.append("lowest \(ProofFigures.share(found.lowestAccuracy)) (\(found.lowest))") }
        if let macroF1 = found.macroF1 { parts.append("macro-F1 \(ProofFigures.share(macroF1))") }
        parts.append("median \(ProofFigures.milliseconds(found.medianMilliseconds)) ms")
        if let slowest = found.slowestP95Milliseconds {
            parts.append("95 % within \(ProofFigures.milliseconds(slowest)) ms")
        }
        if found.passed < found.devices { parts.append("\(found.devices - found.passed) below the threshold") }
        return "\(RolloutWords.count(found.devices, "device")): \(parts.joined(separator: ", "))"
    }

    private static func text(_ found: ProfileProof.Shadow) -> String {
        var parts = ["\(found.agreed) of \(found.compared) answers agree"]
        if found.devices > 1 { parts.append("lowest \(ProofFigures.share(found.lowestAgreement)) (\(found.lowest))") }
        let candidate = ProofFigures.milliseconds(found.candidateMedianMilliseconds)
        let live = ProofFigures.milliseconds(found.liveMedianMilliseconds)
        parts.append("median \(candidate) ms against \(live) ms")
        return "shadowed on \(RolloutWords.count(found.devices, "device")): \(parts.joined(separator: ", "))"
    }
}
