/// What a bearer token may do. Ordered: each role includes those before it.
package enum Role: String, Sendable, Codable, CaseIterable, Comparable {
    /// Reads everything but secrets.
    case viewer
    /// Pushes and signs releases of its namespace.
    case publisher
    /// Moves fleets: rollouts, rollbacks, aliases, devices.
    case `operator`
    /// Tokens, trust, everything.
    case admin

    package static func < (left: Self, right: Self) -> Bool {
        (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }
}

/// Who may call a route.
package enum Access: Sendable, Hashable {
    /// Anyone: health, readiness, the TUF metadata (signed, public by nature).
    case open
    /// A bearer token of at least this role.
    case atLeast(Role)
    /// A device with a certificate of ours.
    case device
    /// A device that has none yet: a join token or a signed nonce stands in the body.
    case enrolling
}
