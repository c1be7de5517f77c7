/// What `martlet-agent doctor` found out about a device: for people on the box, and for scripts.
package struct Diagnosis: Sendable, Hashable, Codable {
    /// How bad something is.
    package enum Severity: String, Sendable, Codable, Comparable, CaseIterable {
        /// Worth knowing; nothing has to be done.
        case note
        /// Works now, and will not at some time, or works less well than it could.
        case warning
        /// Something does not work.
        case error

        package static func < (left: Self, right: Self) -> Bool {
            left.rank < right.rank
        }

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    /// One thing that is wrong.
    package struct Finding: Sendable, Hashable, Codable {
        /// Stable: `Ailment`.
        package var id: String
        package var severity: Severity
        /// Where: a path, an address, a slot.
        package var place: String
        /// What is wrong, in a sentence.
        package var message: String
        /// What to do about it.
        package var remedy: String
    }

    /// A check that could not be made.
    package struct Skipped: Sendable, Hashable, Codable {
        package var check: String
        package var reason: String
    }

    /// The data folder that was looked at.
    package var data: String
    /// Whether an agent answers on its control socket.
    package var agentRuns: Bool
    /// The worst first.
    package var findings: [Finding]
    /// Checks that found nothing.
    package var passed: [String]
    package var skipped: [Skipped]

    /// The worst that was found; nil where nothing was.
    package var worst: Severity? { findings.map(\.severity).max() }
}
