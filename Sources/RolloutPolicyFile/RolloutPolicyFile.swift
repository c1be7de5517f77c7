package import MartletTypes

/// A rollout's policy as an operator writes it in YAML, and the fleet and slot that it may name.
///
/// Source of the fields: `docs/formats/rollout-policy.md`.
package struct RolloutPolicyFile: Sendable, Hashable {
    /// What a rollout by this file moves; the command line's flags win.
    package struct Target: Sendable, Hashable {
        package var fleet: FleetName?
        package var selector: LabelSelector?
        package var slot: SlotName?

        package init(fleet: FleetName? = nil, selector: LabelSelector? = nil, slot: SlotName? = nil) {
            self.fleet = fleet
            self.selector = selector
            self.slot = slot
        }
    }

    package var target: Target
    package var policy: RolloutPolicy

    package init(target: Target = Target(), policy: RolloutPolicy = RolloutPolicy()) {
        self.target = target
        self.policy = policy
    }

    /// Reads a file's text; `name` stands in errors.
    ///
    /// Throws all that is wrong with it at once. Work and memory are bounded by `PolicyFileLimits`.
    package init(yaml: String, name: String = "policy") throws(PolicyFileError) {
        let root: PolicyValue
        do throws(PolicyIssue) {
            root = try PolicyValue.parse(yaml)
        } catch {
            throw PolicyFileError(name: name, issues: [error])
        }
        var reader = PolicyReader()
        self = reader.file(root)
        guard reader.issues.isEmpty else { throw PolicyFileError(name: name, issues: reader.issues) }
    }
}

/// Bounds of a policy file, each with its reason.
package enum PolicyFileLimits {
    /// Bytes of a file: the largest sensible policy has a tenth of it.
    package static let bytes = 64 * 1024
    /// Asterisks before a name anywhere in the file: aliases are refused, but only after the file is composed, and what
    /// they expand to grows with their number.
    static let asterisks = 32
    /// Nesting: the format has four levels.
    static let depth = 8
    /// Faults that are told at once.
    static let issues = 20
    /// Characters of a wrong value that are repeated.
    static let quotedCharacters = 60
    /// A length of time: ten years is a typing error.
    static let seconds = 3660 * 86_400
    /// Devices of a count; as many as a number on the wire may say.
    static let devices = 1_000_000
    /// Bytes per second: less loads nothing in a year, and no link has more.
    static let bytesPerSecond: ClosedRange<Int64> = 1024...1_000_000_000_000
}
