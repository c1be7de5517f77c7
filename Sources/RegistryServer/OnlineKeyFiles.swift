import Glibc
import MartletAPI
import MartletTypes
import Trust

/// The online keys on the disk: `NAME.pem`, and `NAME.next.pem` while it is rotated.
struct OnlineKeyFiles: Sendable {
    let folder: DataFolder

    /// The file name, without its ending, of a key that shall follow.
    static func next(_ name: OnlineKeyName) -> String { name.rawValue + ".next" }

    private func path(_ name: String) -> String { folder.keys + "/" + name }

    /// The key in a file; made where there is none.
    func key(_ name: String, _ kind: KeyPair.Kind) throws -> KeyPair {
        if let key = try existing(name) { return key }
        let key = try KeyPair.generate(kind)
        try folder.write(try key.pem(), to: path(name + ".pem"), mode: 0o600)
        return key
    }

    /// The key in a file; nil where there is none.
    func existing(_ name: String) throws -> KeyPair? {
        try folder.read(path(name + ".pem")).map { try KeyPair(pem: $0) }
    }

    /// Puts the next key in the place of the former one, in one step.
    func promote(_ name: OnlineKeyName) throws {
        try folder.move(path(Self.next(name) + ".pem"), to: path(name.rawValue + ".pem"))
    }

    // MARK: - The authority, a key and a certificate

    private static let authorityName = OnlineKeyName.authority.rawValue
    private static let nextName = next(.authority)
    private static let formerPrefix = "authority-former-"

    /// The authority; made where there is none. A promotion that was cut off between its two files is finished.
    func authority(now: Timestamp) throws -> CertificateAuthority {
        let key = try key(Self.authorityName, .ecdsaP256)
        guard let pem = try folder.read(path(Self.authorityName + ".crt")) else {
            return try make(Self.authorityName, key, now: now)
        }
        if try CertificateFacts(pem).publicKeyDER != key.publicKeyDER,
            let next = try folder.read(path(Self.nextName + ".crt")),
            try CertificateFacts(next).publicKeyDER == key.publicKeyDER
        {
            try folder.move(path(Self.nextName + ".crt"), to: path(Self.authorityName + ".crt"))
            return try CertificateAuthority(certificatePEM: next, key: key)
        }
        return try CertificateAuthority(certificatePEM: pem, key: key)
    }

    /// The authority that shall follow; nil where there is none.
    func nextAuthority() throws -> CertificateAuthority? {
        guard let key = try existing(Self.nextName), let pem = try folder.read(path(Self.nextName + ".crt")) else {
            return nil
        }
        return try CertificateAuthority(certificatePEM: pem, key: key)
    }

    func makeNextAuthority(now: Timestamp) throws -> CertificateAuthority {
        try make(Self.nextName, try key(Self.nextName, .ecdsaP256), now: now)
    }

    private func make(_ name: String, _ key: KeyPair, now: Timestamp) throws -> CertificateAuthority {
        // No two authorities share a name: those who build a chain look for its issuer by name.
        let mark = Digest.of(key.publicKeyDER).hex.prefix(8)
        let authority = try CertificateAuthority.make(
            name: "Martlet registry authority \(mark)", key: key, now: now, valid: ServerLimits.authorityLife)
        try folder.write(authority.certificatePEM, to: path(name + ".crt"), mode: 0o644)
        return authority
    }

    /// Keeps the former certificate, without its key, and puts the next authority in its place.
    func promoteAuthority(former: CertificateAuthority) throws {
        let kept = Self.formerPrefix + former.facts.sha256Fingerprint + ".crt"
        try folder.write(former.certificatePEM, to: path(kept), mode: 0o644)
        try folder.move(path(Self.nextName + ".pem"), to: path(Self.authorityName + ".pem"))
        try folder.move(path(Self.nextName + ".crt"), to: path(Self.authorityName + ".crt"))
    }

    /// Certificates of authorities that were replaced.
    func formerAuthorities() throws -> [[UInt8]] {
        try folder.names(in: folder.keys).filter { $0.hasPrefix(Self.formerPrefix) }.sorted()
            .compactMap { try folder.read(path($0)) }
    }
}
