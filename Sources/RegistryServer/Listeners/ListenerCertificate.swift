import MartletTypes
import Trust

/// A listener's own certificate: made by the registry's authority, kept in the data folder, renewed by itself.
struct ListenerCertificate: Sendable {
    /// Which listener, in the names of its files: `device-listener`, `operator-listener`.
    let name: String
    let folder: DataFolder
    let keyring: OnlineKeyring
    /// Names and addresses that callers may use.
    let hosts: [String]
    let clock: Clock

    private var certificateFile: String { "\(folder.keys)/\(name).crt" }
    private var keyFile: String { "\(folder.keys)/\(name).pem" }
    private var hostsFile: String { "\(folder.keys)/\(name).hosts" }

    /// The certificate and key in PEM; makes new ones where there are none, two thirds of their life are over, the
    /// hosts have changed, or the authority.
    func current() throws -> (certificate: [UInt8], key: [UInt8]) {
        if let certificate = try folder.read(certificateFile), let key = try folder.read(keyFile),
            try folder.read(hostsFile) == hostsText, try isFresh(certificate)
        {
            return (certificate, key)
        }
        let key = try KeyPair.generate(.ecdsaP256)
        let certificate = try keyring.authority.issueServer(
            key: key, hosts: hosts, now: clock(), valid: ServerLimits.serverCertificateLife)
        // The hosts come last: a crash in between only makes another certificate at the next start.
        folder.remove(hostsFile)
        try folder.write(try key.pem(), to: keyFile, mode: 0o600)
        try folder.write(certificate, to: certificateFile, mode: 0o644)
        try folder.write(hostsText, to: hostsFile, mode: 0o644)
        return (certificate, try key.pem())
    }

    private var hostsText: [UInt8] { Array(hosts.joined(separator: "\n").utf8) }

    private func isFresh(_ certificate: [UInt8]) throws -> Bool {
        guard try keyring.authority.didIssue(certificate) else { return false }
        let facts = try CertificateFacts(certificate)
        return clock() < facts.notAfter - ServerLimits.serverCertificateLife / 3
    }
}
