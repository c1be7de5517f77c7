import MartletAPI
import MartletTypes
import RegistryStore
import TUF
import Trust

extension OperatorService {
    /// A fresh secret of 256 random bits with a recognisable head, so that leak scanners can find one.
    static func newSecret(_ head: String) throws -> String { head + Hex.encode(try RandomBytes.make(32)) }

    func tokens() async throws -> [TokenInfo] {
        try await core.database.read { try TokenStore($0).list().compactMap { TokenInfo($0, secret: nil) } }
    }

    func createToken(_ request: TokenRequest, actor: String) async throws -> TokenInfo {
        guard (1...Limits.nameBytes).contains(request.name.utf8.count),
            request.name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else {
            throw ServerError.badRequest(
                "A token's name has 1 to \(Limits.nameBytes) printable ASCII characters without spaces.", field: "/name"
            )
        }
        try Self.check(request.namespaces, request.fleets)
        if let seconds = request.validSeconds, !(1...Int64(10 * 366 * 86_400)).contains(seconds) {
            throw ServerError.badRequest("validSeconds is not between a second and ten years.", field: "/validSeconds")
        }
        let core = core
        let secret = try Self.newSecret("martlet_")
        let now = core.clock()
        let row = TokenRow(
            id: try Self.newID("t"), name: request.name, role: request.role.rawValue,
            namespaces: request.namespaces, fleets: request.fleets, created: now,
            expires: request.validSeconds.map { now + .seconds($0) })
        try await core.database.write { sql in
            try TokenStore(sql).create(row, secret: secret)
            var detail: [String: JSONValue] = ["id": .string(row.id), "role": .string(row.role)]
            if let namespaces = row.namespaces { detail["namespaces"] = .array(namespaces.map { .string($0) }) }
            if let fleets = row.fleets { detail["fleets"] = .array(fleets.map { .string($0.text) }) }
            try AuditLog(sql).append(
                actor: actor, action: "token.create", subject: row.name, detail: .object(detail), now: now)
        }
        guard let info = TokenInfo(row, secret: secret) else { throw ServerError.internalError }
        return info
    }

    /// A limit names one thing at least: an empty list would be a token for nothing.
    static func check(_ namespaces: [String]?, _ fleets: [FleetName]?) throws {
        let bounds = 1...ServerLimits.tokenLimitNames
        guard namespaces.map({ bounds.contains($0.count) }) ?? true else {
            throw ServerError.badRequest("A limit names \(bounds) namespaces.", field: "/namespaces")
        }
        guard fleets.map({ bounds.contains($0.count) }) ?? true else {
            throw ServerError.badRequest("A limit names \(bounds) fleets.", field: "/fleets")
        }
        for namespace in namespaces ?? [] {
            do {
                _ = try NamespaceLayout(namespace)
            } catch {
                throw ServerError(400, error.code, error.message, remedy: error.remedy, field: "/namespaces")
            }
        }
    }

    func deleteToken(_ id: String, actor: String) async throws {
        let core = core
        try await core.database.write { sql in
            guard let row = try TokenStore(sql).delete(id: id) else {
                throw ServerError.notFound(
                    "unknownToken", "There is no token with this identifier.",
                    remedy: "`martlet token list` shows them.")
            }
            try AuditLog(sql).append(
                actor: actor, action: "token.delete", subject: row.name, detail: .object(["id": .string(row.id)]),
                now: core.clock())
        }
    }

    func joinTokens() async throws -> [JoinTokenInfo] {
        let core = core
        return try await core.database.read {
            try JoinTokenStore($0).list(now: core.clock()).map { JoinTokenInfo($0, token: nil) }
        }
    }

    /// Makes a join token; there is none before there is a root, since it carries the root's hash.
    func createJoinToken(_ request: JoinTokenRequest, actor: String) async throws -> JoinTokenInfo {
        guard request.device == nil || request.uses == 1 else {
            throw ServerError.badRequest("A token that replaces a device has one use.", field: "/uses")
        }
        guard (1...ServerLimits.joinTokenUses).contains(request.uses) else {
            throw ServerError.badRequest("uses is not between 1 and \(ServerLimits.joinTokenUses).", field: "/uses")
        }
        guard (1...ServerLimits.joinTokenSeconds).contains(request.validSeconds) else {
            throw ServerError.badRequest(
                "validSeconds is not between 1 and \(ServerLimits.joinTokenSeconds).", field: "/validSeconds")
        }
        let core = core
        let secret = try Self.newSecret("")
        let now = core.clock()
        let row = JoinTokenRow(
            id: try Self.newID("j"), usesLeft: request.uses, created: now, createdBy: actor,
            expires: now + .seconds(request.validSeconds), labels: request.labels, device: request.device,
            needsApproval: request.needsApproval ?? core.requiresApproval)
        let root = try await core.database.write { sql -> Digest in
            guard let root = try RoleStore(sql).find(TopLevelRole.root.rawValue, version: 1) else {
                throw ServerError.noRoot
            }
            // A misspelt name would make a token that replaces nothing and looks as if it did.
            if let device = request.device { _ = try Self.device(device, sql) }
            try JoinTokenStore(sql).create(row, secret: secret)
            try AuditLog(sql).append(
                actor: actor, action: "joinToken.create", subject: row.id,
                detail: .object([
                    "uses": .integer(Int64(row.usesLeft)), "expires": .string(row.expires.description),
                    "device": .string(row.device?.text ?? ""), "needsApproval": .bool(row.needsApproval),
                ]), now: now)
            return Digest.of(root.bytes)
        }
        let token = JoinToken(
            registry: core.deviceOrigin.value, rootDigest: root,
            caFingerprint: core.keyring.authority.facts.sha256Fingerprint, secret: secret)
        return JoinTokenInfo(row, token: try token.text())
    }

    func deleteJoinToken(_ id: String, actor: String) async throws {
        let core = core
        try await core.database.write { sql in
            guard try JoinTokenStore(sql).delete(id: id) else {
                throw ServerError.notFound("unknownToken", "There is no join token with this identifier.")
            }
            try AuditLog(sql).append(actor: actor, action: "joinToken.delete", subject: id, now: core.clock())
        }
    }
}

extension TokenInfo {
    init?(_ row: TokenRow, secret: String?) {
        guard let role = Role(rawValue: row.role) else { return nil }
        self.init(
            id: row.id, name: row.name, role: role, namespaces: row.namespaces, fleets: row.fleets,
            created: row.created, expires: row.expires, secret: secret)
    }
}

extension JoinTokenInfo {
    init(_ row: JoinTokenRow, token: String?) {
        self.init(
            id: row.id, usesLeft: row.usesLeft, created: row.created, expires: row.expires, labels: row.labels,
            device: row.device, needsApproval: row.needsApproval, token: token)
    }
}
