internal import MartletTypes

/// How hardware is recognised: every condition that is stated must hold. A profile without any matches everything.
package struct ProfileMatch: Sendable, Hashable, Codable {
    /// In OCI's words, e.g. `arm64`.
    package var architecture: String?
    /// Device tree names, one of which the board must list, e.g. `raspberrypi,5-model-b`; a last `*` stands for any
    /// end.
    package var boardCompatible: [String]?
    /// Board models, one of which must be the board's, e.g. `Raspberry Pi 5*`.
    package var boardModel: [String]?
    /// Processors' names, one of which must be the processor's, e.g. `Intel(R) N1*`.
    package var cpuModel: [String]?
    /// CPU features, all of which must be there.
    package var cpuFeatures: [String]?
    /// Vendors of accelerators, one of which must be there.
    package var accelerators: [String]?
    /// Least and greatest memory.
    package var memoryAtLeastMiB: Int?
    package var memoryAtMostMiB: Int?

    package init(
        architecture: String? = nil, boardCompatible: [String]? = nil, boardModel: [String]? = nil,
        cpuModel: [String]? = nil, cpuFeatures: [String]? = nil, accelerators: [String]? = nil,
        memoryAtLeastMiB: Int? = nil,
        memoryAtMostMiB: Int? = nil
    ) {
        self.architecture = architecture
        self.boardCompatible = boardCompatible
        self.boardModel = boardModel
        self.cpuModel = cpuModel
        self.cpuFeatures = cpuFeatures
        self.accelerators = accelerators
        self.memoryAtLeastMiB = memoryAtLeastMiB
        self.memoryAtMostMiB = memoryAtMostMiB
    }

    /// The first condition that does not hold, in words; nil where all hold.
    package func mismatch(_ facts: HardwareFacts) -> String? {
        if let architecture, facts.architecture != architecture {
            return "the architecture is \(facts.architecture), not \(architecture)"
        }
        if let boardCompatible, !Self.any(boardCompatible, of: facts.board?.compatible ?? []) {
            return "the board is not compatible with \(boardCompatible.joined(separator: " or "))"
        }
        if let boardModel, !Self.any(boardModel, of: [facts.board?.model].compactMap { $0 }) {
            return "the board's model is not \(boardModel.joined(separator: " or "))"
        }
        if let cpuModel, !Self.any(cpuModel, of: [facts.cpu.model].compactMap { $0 }) {
            return "the processor is not \(cpuModel.joined(separator: " or "))"
        }
        if let missing = cpuFeatures?.filter({ !facts.cpu.features.contains($0) }), !missing.isEmpty {
            return "the processor lacks \(missing.joined(separator: ", "))"
        }
        if let accelerators, !Self.any(accelerators, of: facts.accelerators.map(\.vendor)) {
            return "there is no accelerator of \(accelerators.joined(separator: " or "))"
        }
        let mebibytes = facts.memory.total.map { Int($0.bytes / 1_048_576) }
        if let least = memoryAtLeastMiB, mebibytes.map({ $0 < least }) ?? true {
            return "memory is \(facts.memory.total?.description ?? "unknown"), under \(least) MiB"
        }
        if let most = memoryAtMostMiB, mebibytes.map({ $0 > most }) ?? true {
            return "memory is \(facts.memory.total?.description ?? "unknown"), over \(most) MiB"
        }
        return nil
    }

    private static func any(_ patterns: [String], of texts: [String]) -> Bool {
        patterns.contains { pattern in
            texts.contains { pattern.hasSuffix("*") ? $0.hasPrefix(pattern.dropLast()) : $0 == pattern }
        }
    }
}
