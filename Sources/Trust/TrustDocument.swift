private import MartletTypes
package import TUF

/// `martlet/trust.json`: who else a device believes, signed as a target of the top-level targets role.
///
/// Root metadata holds the four standard roles only (DESIGN section 4), so the director stands here.
package struct TrustDocument: Sendable, Hashable {
    /// The TUF target path.
    package static let path = "martlet/trust.json"

    /// The director's keys by key identifier.
    package var directorKeys: [String: PublicKey]
    /// How many of them must sign an assignment.
    package var directorThreshold: Int
    /// Certificates (PEM) of the authorities that sign the registry's and the devices' certificates.
    package var certificateAuthorities: [String]
    /// Origins of the device listener, e.g. `https://registry.example:8443`.
    package var addresses: [String]
    /// Origins that a blob download may be redirected to.
    package var blobOrigins: [String]

    package init(
        directorKeys: [String: PublicKey], directorThreshold: Int = 1, certificateAuthorities: [String],
        addresses: [String], blobOrigins: [String] = []
    ) {
        self.directorKeys = directorKeys
        self.directorThreshold = directorThreshold
        self.certificateAuthorities = certificateAuthorities
        self.addresses = addresses
        self.blobOrigins = blobOrigins
    }

    /// Reads the target's bytes, whose hash was checked against TUF before.
    package init(parsing bytes: [UInt8]) throws {
        let document = try JSONValue(parsing: bytes)
        func texts(_ key: String) throws -> [String] {
            guard let values = document[key]?.array?.map(\.string), !values.contains(nil) else {
                throw InvalidValue(kind: "trust document", value: key, rule: "an array of strings for \(key)")
            }
            return values.compactMap(\.self)
        }
        guard let keys = document["directorKeys"]?.object, let threshold = document["directorThreshold"]?.integer,
            threshold >= 1, threshold <= Int64(keys.count)
        else {
            throw InvalidValue(
                kind: "trust document", value: "directorKeys", rule: "directorKeys and a directorThreshold within them")
        }
        directorKeys = [:]
        for (keyID, value) in keys {
            let key = try PublicKey(json: value)
            guard key.keyID == keyID else {
                throw InvalidValue(kind: "trust document", value: keyID, rule: "key identifiers that match their keys")
            }
            directorKeys[keyID] = key
        }
        directorThreshold = Int(threshold)
        certificateAuthorities = try texts("certificateAuthorities")
        addresses = try texts("addresses")
        blobOrigins = try texts("blobOrigins")
    }

    /// The target's bytes.
    package func encoded() throws -> [UInt8] {
        try JSONText.encode(
            JSONValue.object([
                "directorKeys": .object(directorKeys.mapValues(\.json)),
                "directorThreshold": .integer(Int64(directorThreshold)),
                "certificateAuthorities": .array(certificateAuthorities.map(JSONValue.string)),
                "addresses": .array(addresses.map(JSONValue.string)),
                "blobOrigins": .array(blobOrigins.map(JSONValue.string)),
            ]))
    }
}
