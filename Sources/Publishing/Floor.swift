package import MartletAPI
package import MartletTypes
internal import TUF
package import Trust

/// Sets the floor of a repository: no device that has seen it installs anything below, whoever assigns it.
package struct Floor: Sendable {
    /// What became of it.
    package enum Outcome: Sendable {
        /// The verified metadata shows it.
        case set(ReleaseFloor)
        /// It stood there already.
        case unchanged(ReleaseFloor)
        /// It waits for further signatures.
        case pending(ReleaseFloor, Proposal)
    }

    private let context: PublisherContext

    package init(context: PublisherContext) { self.context = context }

    /// Sets the floor. One below the present floor only where `mayLower`: devices follow it too, since the publisher
    /// says so with a higher number.
    ///
    /// Throws `floorExists` where a higher floor stands, or another was set meanwhile.
    package func run(
        _ repository: RepositoryName, to version: SemanticVersion, reason: String, mayLower: Bool = false,
        progress: @escaping @Sendable (PublishProgress) -> Void = { _ in }
    ) async throws -> Outcome {
        guard reason.utf8.count <= ReleaseFloor.reasonBytes else {
            throw PublishError(
                .badRequest, "The reason has \(reason.utf8.count) bytes; every device loads it.",
                remedy: "Say it in at most \(ReleaseFloor.reasonBytes) bytes.")
        }
        let path = ReleaseFloor.path(of: repository)
        try await context.refresh()
        let present = try await context.target(path).map { try ReleaseFloor($0, of: repository) }
        if let present, present.version == version { return .unchanged(present) }
        if let present, version < present.version, !mayLower {
            throw PublishError(
                .floorExists, "The floor of \(repository) is \(present.version), above \(version).",
                remedy: "Give --lower with a --reason if devices shall accept older releases again.")
        }
        let floor = ReleaseFloor(version: version, number: (present?.number ?? 0) + 1, reason: reason)
        let target = try floor.target(for: repository)
        let editor = BinEditor(context: context, progress: progress)
        let outcome = try await editor.submit(.add(path: path, file: target)) { found in
            guard let found, found != target else { return found != nil }
            guard try ReleaseFloor(found, of: repository).number < floor.number else {
                throw PublishError(
                    .floorExists, "Somebody else set the floor of \(repository) just now.",
                    remedy: "Look at it with `martlet releases list --repository \(repository)` and try again.")
            }
            return false
        }
        switch outcome {
        case .unchanged: return .unchanged(floor)
        case .applied: return .set(floor)
        case .pending(let proposal): return .pending(floor, proposal)
        }
    }
}
