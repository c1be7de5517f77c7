package import MartletTypes

/// Who this device is, and whom it believes: everything but the private key.
package struct DeviceIdentity: Sendable, Hashable, Codable {
    package var device: DeviceID
    /// The device listener's origin.
    package var registry: String
    /// The digest of the first root metadata, from the join token.
    package var rootDigest: Digest
    /// SHA-256 of the certificate authority's DER, in lower-case hexadecimal.
    package var caFingerprint: String
    /// The device's certificate in PEM.
    package var certificate: String
    /// The authorities' certificates in PEM.
    package var authorities: [String]
    package var notBefore: Timestamp
    package var notAfter: Timestamp
    package var labels: Labels
    /// The name of the key's file in the identity folder, or the path or URI of a key that is not the agent's.
    package var key: String

    package init(
        device: DeviceID, registry: String, rootDigest: Digest, caFingerprint: String, certificate: String,
        authorities: [String], notBefore: Timestamp, notAfter: Timestamp, labels: Labels, key: String
    ) {
        self.device = device
        self.registry = registry
        self.rootDigest = rootDigest
        self.caFingerprint = caFingerprint
        self.certificate = certificate
        self.authorities = authorities
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.labels = labels
        self.key = key
    }

    /// Whether this device was enrolled without a registry: it has no certificate and is served by bundles alone.
    package var isAirGapped: Bool { registry.isEmpty }

    /// When the certificate is to be renewed: at two thirds of its life.
    package var renewAt: Timestamp {
        Timestamp(milliseconds: notBefore.milliseconds + (notAfter.milliseconds - notBefore.milliseconds) / 3 * 2)
    }
}

/// The identity folder: readable by the agent's user alone.
package struct IdentityStore: Sendable {
    private let files: any FileSystem
    private let folder: String

    package init(folder: String, files: any FileSystem = RealFileSystem()) {
        self.files = files
        self.folder = folder
    }

    /// Who this device is; nil before enrolment.
    package func load() throws(AgentStoreError) -> DeviceIdentity? {
        guard let bytes = try files.contents(of: path(Self.document)) else { return nil }
        do {
            return try JSONText.decode(DeviceIdentity.self, from: bytes)
        } catch {
            throw AgentStoreError(.malformed, "\(path(Self.document)) cannot be read: \(error).")
        }
    }

    /// The private key that belongs to an identity, in PEM.
    package func key(of identity: DeviceIdentity) throws(AgentStoreError) -> [UInt8] {
        guard let name = Self.keyName(identity.key), let bytes = try files.contents(of: path(name)) else {
            throw AgentStoreError(.missingFile, "The device's key \(path(identity.key)) is not there.")
        }
        return bytes
    }

    /// The first root metadata that was checked against the join token.
    package func root() throws(AgentStoreError) -> [UInt8] {
        // A crash in the middle of `save` leaves the new identity's root under its interim name.
        let interim = try load().map { path(Self.interimName($0)) }
        if let interim, let bytes = try files.contents(of: interim) { return bytes }
        guard let bytes = try files.contents(of: path(Self.rootName)) else {
            throw AgentStoreError(.missingFile, "\(path(Self.rootName)) is not there.")
        }
        return bytes
    }

    /// Keeps a key before a certificate for it is asked for, and returns the name to put into the identity.
    ///
    /// A crash before `save` leaves the former identity with its own key.
    package func keep(key: [UInt8]) throws(AgentStoreError) -> String {
        let used = try files.names(in: folder).compactMap { Int64($0.dropFirst(4).prefix { $0 != "." }) }.max() ?? 0
        let name = "key-\(used + 1).pem"
        try files.writeAtomically(key, to: path(name), mode: 0o600)
        return name
    }

    /// The key of one attempt to enrol, made by `make` and kept at the first call: an attempt whose answer was lost is
    /// known again by its key. `attempt` is hexadecimal and tells one attempt from another.
    package func key(
        ofAttempt attempt: String, make: () throws -> [UInt8]
    ) throws -> (name: String, pem: [UInt8]) {
        let name = "key-join-\(attempt.prefix(32)).pem"
        if let bytes = try files.contents(of: path(name)) { return (name, bytes) }
        let pem = try make()
        try files.writeAtomically(pem, to: path(name), mode: 0o600)
        return (name, pem)
    }

    /// Makes an identity the device's own, with the root metadata it starts from, and removes other keys.
    ///
    /// A crash leaves the former identity with its key and root, or the new one with its own.
    package func save(_ identity: DeviceIdentity, root: [UInt8]? = nil) throws(AgentStoreError) {
        let interim = path(Self.interimName(identity))
        if let root { try files.writeAtomically(root, to: interim) }
        try files.writeAtomically(try Journal.encode(identity), to: path(Self.document), mode: 0o600)
        if files.status(interim) != nil { try files.rename(interim, to: path(Self.rootName)) }
        for name in try files.names(in: folder) where name != identity.key && Self.isReplaced(name) {
            try files.remove(path(name))
        }
        try files.synchronizeFolder(folder)
    }

    private static let document = "device.json"
    private static let rootName = "root.json"

    private static func interimName(_ identity: DeviceIdentity) -> String { "root-\(identity.rootDigest.hex).json" }

    private static func isReplaced(_ name: String) -> Bool { name.hasPrefix("key-") || name.hasPrefix("root-") }

    /// Whether an identity's key lies in this folder; any other is named by its path or URI.
    package static func isOwnKey(_ name: String) -> Bool { keyName(name) != nil }

    private static func keyName(_ name: String) -> String? {
        name.hasPrefix("key-") && !name.utf8.contains(UInt8(ascii: "/")) ? name : nil
    }

    private func path(_ name: String) -> String { "\(folder)/\(name)" }
}
