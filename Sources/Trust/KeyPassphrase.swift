private import Glibc

/// Where a passphrase, or a token's PIN, comes from when nobody is asked.
package enum PassphraseSource: Sendable, Hashable, CustomStringConvertible {
    /// The first line of a file.
    case file(String)
    /// The first line that an inherited file descriptor gives; it can be read once.
    case descriptor(Int32)
    /// A credential of systemd's (`LoadCredential=`, `LoadCredentialEncrypted=`): a file of `$CREDENTIALS_DIRECTORY`.
    case credential(String)

    /// Names the source; holds no secret.
    package var description: String {
        switch self {
        case .file(let path): path
        case .descriptor(let number): "file descriptor \(number)"
        case .credential(let name): "the credential \(name)"
        }
    }

    /// The passphrase: the bytes up to the first line end, or to the end.
    ///
    /// `environment` is where `$CREDENTIALS_DIRECTORY` stands. Throws `passphraseUnreadable`.
    package func read(environment: [String: String]) throws(TrustError) -> [UInt8] {
        let bytes: [UInt8]
        switch self {
        case .file(let path): bytes = try contents(of: path)
        case .descriptor(let number): bytes = try line(from: number)
        case .credential: bytes = try contents(of: try credentialPath(environment))
        }
        let line = Array(bytes.prefix { $0 != 0x0a && $0 != 0x0d })
        guard !line.isEmpty else { throw failure("holds none on its first line") }
        guard line.count <= TrustLimits.passphraseBytes else {
            throw failure("holds more than \(TrustLimits.passphraseBytes) bytes")
        }
        return line
    }

    /// Whether systemd handed over such a credential.
    package static func hasCredential(_ name: String, environment: [String: String]) -> Bool {
        guard let path = try? Self.credential(name).credentialPath(environment) else { return false }
        return access(path, R_OK) == 0
    }

    private func credentialPath(_ environment: [String: String]) throws(TrustError) -> String {
        guard case .credential(let name) = self else { throw failure("is none") }
        guard !name.isEmpty, name != ".", name != "..", !name.utf8.contains(UInt8(ascii: "/")) else {
            throw failure("is no name of a credential")
        }
        guard let folder = environment["CREDENTIALS_DIRECTORY"], folder.hasPrefix("/") else {
            throw failure("cannot be found: $CREDENTIALS_DIRECTORY is not set, as systemd sets it for a service")
        }
        return folder + "/" + name
    }

    private func contents(of path: String) throws(TrustError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw failure("cannot be opened: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        return try line(from: descriptor)
    }

    /// Byte by byte, so that whoever reads the descriptor next finds the next line.
    private func line(from descriptor: Int32) throws(TrustError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count <= TrustLimits.passphraseBytes {
            var byte: UInt8 = 0
            let count = Glibc.read(descriptor, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 || byte == 0x0a { break }
            bytes.append(byte)
        }
        return bytes
    }

    private func failure(_ what: String) -> TrustError {
        TrustError(.passphraseUnreadable, "The passphrase cannot be had: \(self) \(what).")
    }
}
