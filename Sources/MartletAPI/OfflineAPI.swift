package import MartletTypes

/// What the registry shall sign for devices that will not hear of it for a while.
package struct OfflineRequest: Sendable, Hashable, Codable {
    /// Devices whose assignments are wanted.
    package var devices: [DeviceID]
    /// A fleet, all of whose devices are meant too.
    package var fleet: FleetName?
    /// How long the signatures hold, in seconds: an hour to 90 days.
    package var validSeconds: Int64

    package init(devices: [DeviceID] = [], fleet: FleetName? = nil, validSeconds: Int64) {
        self.devices = devices
        self.fleet = fleet
        self.validSeconds = validSeconds
    }
}

/// What the registry signed: the exact bytes as text.
package struct OfflineSignatures: Sendable, Hashable, Codable {
    /// A signed snapshot of what is published now.
    package var snapshot: String
    /// Its version, under which it is fetched: `N.snapshot.json`.
    package var snapshotVersion: Int64
    /// A signed timestamp over that snapshot.
    package var timestamp: String
    /// When both, and the assignments, end.
    package var expires: Timestamp
    /// The signed assignment of each device that has one.
    package var assignments: [DeviceID: String]

    package init(
        snapshot: String, snapshotVersion: Int64, timestamp: String, expires: Timestamp,
        assignments: [DeviceID: String]
    ) {
        self.snapshot = snapshot
        self.snapshotVersion = snapshotVersion
        self.timestamp = timestamp
        self.expires = expires
        self.assignments = assignments
    }
}

/// Signed metadata of another registry of the same owner: the exact bytes as text.
///
/// The content that it names was pushed before; what is not there is not published.
package struct MetadataImport: Sendable, Hashable, Codable {
    /// Every version of the root, from the first on.
    package var roots: [String]
    /// `targets`, and the namespaces' roles and bins by role name.
    package var roles: [String: String]
    /// The bytes of `martlet/trust.json`.
    package var trustDocument: String
    /// The snapshot that the other registry signed; this one signs its own above it. Nil asks for no such thing.
    package var snapshot: String?
    /// The timestamp over that.
    package var timestamp: String?

    package init(
        roots: [String], roles: [String: String], trustDocument: String, snapshot: String? = nil,
        timestamp: String? = nil
    ) {
        self.roots = roots
        self.roles = roles
        self.trustDocument = trustDocument
        self.snapshot = snapshot
        self.timestamp = timestamp
    }
}

/// What an import changed.
package struct MetadataImportReceipt: Sendable, Hashable, Codable {
    /// Roles whose version rose.
    package var roles: [String]
    /// Releases that are published here from now on.
    package var published: [ReleasePath]
    /// Releases that their publisher withdrew.
    package var withdrawn: [ReleasePath]

    package init(roles: [String], published: [ReleasePath], withdrawn: [ReleasePath]) {
        self.roles = roles
        self.published = published
        self.withdrawn = withdrawn
    }
}
