import MartletTypes
import TUF
import Trust

/// The keys that the registry itself holds: snapshot, timestamp and director, and the authority for certificates.
///
/// With all of them an attacker can withhold and delay, and choose among what publishers signed; nothing more (DESIGN
/// 4).
struct OnlineKeyring: Sendable {
    let snapshot: KeyPair
    let timestamp: KeyPair
    let director: KeyPair
    let authority: CertificateAuthority

    /// Opens the keys of a data folder and makes those that are missing, each in a file of its own with mode 0600.
    static func open(_ folder: DataFolder, now: Timestamp) throws -> OnlineKeyring {
        let authorityKey = try key("authority", .ecdsaP256, folder)
        let file = folder.keys + "/authority.crt"
        let authority: CertificateAuthority
        if let pem = try folder.read(file) {
            authority = try CertificateAuthority(certificatePEM: pem, key: authorityKey)
        } else {
            authority = try CertificateAuthority.make(
                name: "Martlet registry authority", key: authorityKey, now: now, valid: ServerLimits.authorityLife)
            try folder.write(authority.certificatePEM, to: file, mode: 0o644)
        }
        return OnlineKeyring(
            snapshot: try key("snapshot", .ed25519, folder), timestamp: try key("timestamp", .ed25519, folder),
            director: try key("director", .ed25519, folder), authority: authority)
    }

    private static func key(_ name: String, _ kind: KeyPair.Kind, _ folder: DataFolder) throws -> KeyPair {
        let file = "\(folder.keys)/\(name).pem"
        if let pem = try folder.read(file) { return try KeyPair(pem: pem) }
        let key = try KeyPair.generate(kind)
        try folder.write(try key.pem(), to: file, mode: 0o600)
        return key
    }
}
