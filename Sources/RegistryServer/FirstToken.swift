import Logging
import MartletTypes
import RegistryStore

/// The first admin token: made once, when there is none at all, and shown once: in a file, or where nobody keeps what
/// the registry prints, on standard output.
struct FirstToken {
    let core: RegistryCore
    let folder: DataFolder
    let configuration: RegistryConfiguration

    func makeIfNeeded() async throws {
        let core = core
        guard try await core.database.read({ try TokenStore($0).count() }) == 0 else { return }
        let secret = try OperatorService.newSecret("martlet_")
        let id = try OperatorService.newID("t")
        // The file first: after a crash in between there is no token that nobody knows, only a file to be written anew.
        let file = configuration.adminTokenFile ?? (configuration.isOutputKept ? folder.adminToken : nil)
        if let file {
            try folder.write(Array((secret + "\n").utf8), to: file, mode: 0o600)
        }
        try await core.database.write { sql in
            let now = core.clock()
            try TokenStore(sql).create(TokenRow(id: id, name: "admin", role: "admin", created: now), secret: secret)
            try AuditLog(sql).append(
                actor: "registry", action: "token.create", subject: "admin",
                detail: .object(["id": .string(id), "role": .string("admin")]), now: now)
        }
        configuration.announce(
            file.map { "The first admin token is in \($0): log in with it, then remove that file." }
                ?? "The first admin token, shown this once: \(secret)")
    }
}
