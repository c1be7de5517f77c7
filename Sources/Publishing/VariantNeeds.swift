package import MartletTypes

/// What builds need of a device beyond what their files say, as a publisher states it: `[FILE:]cpu=A,B`,
/// `[FILE:]memory=2GiB`, `[FILE:]engine=0.7.0`.
package struct VariantNeeds: Sendable, Hashable {
    /// The build's first file by its name; nil is every build.
    package var file: String?
    /// CPU features by the names of `device-profiles/README.md`.
    package var cpuFeatures: [String] = []
    /// The least memory.
    package var memory: ByteCount = .zero
    /// The engine's least version.
    package var engineVersion: SemanticVersion?

    package init() {}

    /// Reads one requirement. Throws where its kind is unknown or its value is none.
    package init(parsing text: String) throws(InvalidValue) {
        let invalid = InvalidValue(
            kind: "requirement", value: text, rule: "[FILE:]cpu=A,B, [FILE:]memory=2GiB or [FILE:]engine=0.7.0")
        guard let equals = text.lastIndex(of: "=") else { throw invalid }
        let value = String(text[text.index(after: equals)...])
        var kind = text[..<equals]
        if let colon = kind.lastIndex(of: ":") {
            file = String(kind[..<colon])
            kind = kind[kind.index(after: colon)...]
            guard file?.isEmpty == false else { throw invalid }
        }
        switch kind {
        case "cpu":
            let names = value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            guard names.allSatisfy(Self.isFeature), Set(names).count == names.count else { throw invalid }
            cpuFeatures = names
        case "memory":
            guard let bytes = Self.bytes(value) else { throw invalid }
            memory = bytes
        case "engine": engineVersion = try SemanticVersion(value)
        default: throw invalid
        }
    }

    /// Both together: the larger memory, the newer engine.
    func and(_ other: VariantNeeds) -> VariantNeeds {
        var both = self
        both.cpuFeatures = Set(cpuFeatures + other.cpuFeatures).sorted()
        both.memory = max(memory, other.memory)
        both.engineVersion = [engineVersion, other.engineVersion].compactMap(\.self).max()
        return both
    }

    private static func isFeature(_ name: String) -> Bool {
        (1...Limits.nameBytes).contains(name.utf8.count)
            && name.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) }
    }

    private static func bytes(_ text: String) -> ByteCount? {
        for (unit, size) in [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)] as [(String, Int64)]
        where text.hasSuffix(unit) {
            guard let count = Int64(text.dropLast(unit.count)), count > 0, count <= Limits.blobBytes / size else {
                return nil
            }
            return ByteCount(count * size)
        }
        return nil
    }
}
