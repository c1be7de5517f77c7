package import MartletTypes

/// The token that called.
package struct Caller: Sendable, Hashable, Codable {
    package var name: String
    package var role: Role
    /// The only namespaces that it concerns; nil is all.
    package var namespaces: [String]?
    /// The only fleets that it concerns; nil is all devices.
    package var fleets: [FleetName]?
    package var expires: Timestamp?

    package init(
        name: String, role: Role, namespaces: [String]? = nil, fleets: [FleetName]? = nil, expires: Timestamp? = nil
    ) {
        self.name = name
        self.role = role
        self.namespaces = namespaces
        self.fleets = fleets
        self.expires = expires
    }

    /// What its limits leave.
    package var reach: Reach { Reach(namespaces: namespaces.map(Set.init), fleets: fleets.map(Set.init)) }
}

/// A token to be made.
package struct TokenRequest: Sendable, Codable {
    package var name: String
    package var role: Role
    /// The only namespaces that it concerns; nil is all.
    package var namespaces: [String]?
    /// The only fleets that it concerns; nil is all devices.
    package var fleets: [FleetName]?
    /// Seconds until it ends; nil is never.
    package var validSeconds: Int64?

    package init(
        name: String, role: Role, namespaces: [String]? = nil, fleets: [FleetName]? = nil, validSeconds: Int64? = nil
    ) {
        self.name = name
        self.role = role
        self.namespaces = namespaces
        self.fleets = fleets
        self.validSeconds = validSeconds
    }
}

/// A token; `secret` stands only in the answer that made it.
package struct TokenInfo: Sendable, Codable {
    package var id: String
    package var name: String
    package var role: Role
    package var namespaces: [String]?
    package var fleets: [FleetName]?
    package var created: Timestamp
    package var expires: Timestamp?
    package var secret: String?

    package init(
        id: String, name: String, role: Role, namespaces: [String]? = nil, fleets: [FleetName]? = nil,
        created: Timestamp, expires: Timestamp? = nil, secret: String? = nil
    ) {
        self.id = id
        self.name = name
        self.role = role
        self.namespaces = namespaces
        self.fleets = fleets
        self.created = created
        self.expires = expires
        self.secret = secret
    }
}

/// A join token to be made.
package struct JoinTokenRequest: Sendable, Codable {
    /// Devices it may enrol.
    package var uses: Int
    package var validSeconds: Int64
    /// Labels that every device that joins by it gets.
    package var labels: Labels
    /// The only name that it may enrol; a box that has this name already is replaced. Nil is any free name.
    package var device: DeviceID?
    /// Whether what joins by it waits for an operator's approval; nil is as the registry is set.
    package var needsApproval: Bool?

    package init(
        uses: Int = 1, validSeconds: Int64 = 3600, labels: Labels = .none, device: DeviceID? = nil,
        needsApproval: Bool? = nil
    ) {
        self.uses = uses
        self.validSeconds = validSeconds
        self.labels = labels
        self.device = device
        self.needsApproval = needsApproval
    }
}

/// A join token; `token` (the whole string) stands only in the answer that made it.
package struct JoinTokenInfo: Sendable, Codable {
    package var id: String
    package var usesLeft: Int
    package var created: Timestamp
    package var expires: Timestamp
    package var labels: Labels
    /// The only name that it may enrol; nil is any free name.
    package var device: DeviceID?
    /// Whether what joins by it waits for an operator's approval.
    package var needsApproval: Bool
    package var token: String?

    package init(
        id: String, usesLeft: Int, created: Timestamp, expires: Timestamp, labels: Labels, device: DeviceID? = nil,
        needsApproval: Bool = false, token: String? = nil
    ) {
        self.id = id
        self.usesLeft = usesLeft
        self.created = created
        self.expires = expires
        self.labels = labels
        self.device = device
        self.needsApproval = needsApproval
        self.token = token
    }
}
