package import MartletTypes

/// Kinds of limits that a token may have beside its role.
package struct TokenLimits: OptionSet, Sendable, Hashable {
    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }

    /// The token concerns certain namespaces of releases.
    package static let namespaces = TokenLimits(rawValue: 1)
    /// The token concerns the devices of certain fleets.
    package static let fleets = TokenLimits(rawValue: 2)
    /// Both.
    package static let all: TokenLimits = [.namespaces, .fleets]

    /// Their names in a fixed order, as the OpenAPI document has them.
    package var names: [String] {
        [(Self.namespaces, "namespaces"), (.fleets, "fleets")].filter { contains($0.0) }.map(\.1)
    }
}

/// What a token's limits leave: releases of some namespaces, devices of some fleets. Nil is no limit.
package struct Reach: Sendable, Hashable, Codable {
    /// Namespaces whose releases it sees and changes.
    package let namespaces: Set<String>?
    /// Fleets whose devices it sees and moves.
    package let fleets: Set<FleetName>?

    package init(namespaces: Set<String>? = nil, fleets: Set<FleetName>? = nil) {
        self.namespaces = namespaces
        self.fleets = fleets
    }

    /// Of a token without limits, and of the registry's own work.
    package static let everything = Reach()

    /// Which limits there are.
    package var limits: TokenLimits {
        var limits: TokenLimits = []
        if namespaces != nil { limits.insert(.namespaces) }
        if fleets != nil { limits.insert(.fleets) }
        return limits
    }

    /// Whether releases of a namespace are within it.
    package func contains(namespace: String) -> Bool { namespaces?.contains(namespace) ?? true }

    /// Whether a release is within it.
    package func contains(_ release: ReleasePath) -> Bool { contains(namespace: release.repository.namespace) }

    /// Whether all of a slot's releases are within it; an empty slot is.
    package func contains(_ releases: [ReleasePath]) -> Bool { releases.allSatisfy { contains($0) } }

    /// Whether a fleet is within it.
    package func contains(fleet: FleetName) -> Bool { fleets?.contains(fleet) ?? true }
}
