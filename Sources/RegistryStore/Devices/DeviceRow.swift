package import MartletTypes

/// Where a device stands with the registry.
package enum DeviceState: String, Sendable, Codable, CaseIterable {
    /// Enrolled, waits for an operator's approval.
    case pending
    case active
    /// Stopped until an operator looks, e.g. because its certificate is used by two boxes.
    case held
    /// Its certificates are refused; the name may enrol again.
    case revoked
}

/// A device.
package struct DeviceRow: Sendable, Hashable {
    package var device: DeviceID
    package var labels: Labels
    package var state: DeviceState
    /// Why it is held or revoked.
    package var stateReason: String?
    package var enrolled: Timestamp
    package var lastSeen: Timestamp?
    /// The journal that belongs to its certificate.
    package var journal: JournalID
    package var certificateExpires: Timestamp
    /// The number of its newest assignment; 0 before the first.
    package var assignment: Int64
    package var profile: String?
    package var agentVersion: String?
    package var inventoryTime: Timestamp?

    /// What a row is read from.
    static let columns = """
        devices.device, labels, state, state_reason, enrolled, last_seen, journal, certificate_expires, assignment,
        profile, agent_version, inventory_time
        """

    static func row(_ row: SQLRow) throws -> DeviceRow {
        DeviceRow(
            device: try row.name("device"), labels: try row.json("labels"), state: try row.choice("state"),
            stateReason: try row.optionalText("state_reason"), enrolled: try row.time("enrolled"),
            lastSeen: try row.optionalTime("last_seen"), journal: try row.name("journal"),
            certificateExpires: try row.time("certificate_expires"), assignment: try row.integer("assignment"),
            profile: try row.optionalText("profile"), agentVersion: try row.optionalText("agent_version"),
            inventoryTime: try row.optionalTime("inventory_time"))
    }
}

/// A certificate that the registry gave to a device.
package struct DeviceCertificate: Sendable, Hashable {
    /// SHA-256 of the DER, in lower-case hexadecimal.
    package var fingerprint: String
    package var issued: Timestamp
    package var expires: Timestamp
    /// Since when it is refused; nil while it is good.
    package var revoked: Timestamp?

    package init(fingerprint: String, issued: Timestamp, expires: Timestamp, revoked: Timestamp? = nil) {
        self.fingerprint = fingerprint
        self.issued = issued
        self.expires = expires
        self.revoked = revoked
    }
}

/// What a device says about itself, with its slots.
package struct InventoryRow: Sendable, Hashable {
    package var profile: String
    package var agentVersion: String
    /// The whole document as the device sent it.
    package var document: JSONValue
    package var slots: [SlotName: ReportedSlot]

    package init(profile: String, agentVersion: String, document: JSONValue, slots: [SlotName: ReportedSlot]) {
        self.profile = profile
        self.agentVersion = agentVersion
        self.document = document
        self.slots = slots
    }
}
