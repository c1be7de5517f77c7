import MartletAPI
import MartletTypes
import Publishing

/// The registry's status with what its operator should see to.
struct StatusAnswer: Encodable {
    let status: RegistryStatus
    let warnings: [MetadataRoles.Warning]

    init(_ status: RegistryStatus, now: Timestamp) {
        self.status = status
        warnings = MetadataRoles(status).warnings(now: now)
    }

    private enum CodingKeys: CodingKey { case warnings }

    func encode(to encoder: any Encoder) throws {
        try status.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(warnings, forKey: .warnings)
    }
}
