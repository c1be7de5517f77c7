import Foundation
import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore

/// Proves operators: a bearer token in every request, or the dashboard's cookie that stands for one.
struct OperatorAuthorizer: Authorizer {
    let core: RegistryCore
    let sessions: Sessions
    let attempts: AuthenticationLimit

    func principal(
        for route: Route, style: RouteStyle, request: Request, context: ServerContext
    ) async throws -> Principal {
        switch route.access {
        case .open: return .anonymous
        case .device, .enrolling: throw ServerError.noRoute
        case .atLeast(let role):
            guard let secret = Self.secret(style, request, sessions) else { throw ServerError.unauthorized }
            let (caller, id) = try await caller(secret, from: context.peerAddress)
            guard caller.role >= role else { throw ServerError.forbidden("the role \(role.rawValue)") }
            let limits = caller.reach.limits
            guard route.limits.isSuperset(of: limits) else {
                throw ServerError.forbidden(
                    "a token that is not limited to \(limits.subtracting(route.limits).names.joined(separator: " or "))"
                )
            }
            return .token(caller, id: id)
        }
    }

    /// The token with this secret. Throws 401 `unauthorized` or `tokenExpired`, and 429 `tooManyRequests` where the
    /// address has offered too many wrong ones.
    func caller(_ secret: String, from address: String) async throws -> (Caller, String) {
        let digest = Digest.of(Array(secret.utf8))
        // Before the look-up, so that an address that guesses learns nothing more, not even of a right guess.
        try attempts.check(address, digest)
        let core = core
        let found = try await core.database.read { sql -> (row: TokenRow, isOver: Bool)? in
            try TokenStore(sql).find(secret: secret).map { row in
                (row, row.expires.map { $0 <= core.clock() } ?? false)
            }
        }
        guard let found, let role = Role(rawValue: found.row.role) else {
            attempts.failed(address, digest)
            throw ServerError.unauthorized
        }
        // Whoever has the secret of a token that ended may know that: nothing else is told of tokens.
        if found.isOver, let end = found.row.expires { throw ServerError.tokenExpired(end) }
        attempts.succeeded(digest)
        let row = found.row
        let caller = Caller(
            name: row.name, role: role, namespaces: row.namespaces, fleets: row.fleets, expires: row.expires)
        return (caller, row.id)
    }

    private static func secret(_ style: RouteStyle, _ request: Request, _ sessions: Sessions) -> String? {
        if style == .page {
            return Sessions.value(in: request.headers[.cookie]).flatMap { sessions.secret(for: $0) }
        }
        guard let header = request.headers[.authorization] else { return nil }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        switch parts[0].lowercased() {
        case "bearer": return String(parts[1])
        case "basic" where style == .oci:
            // USER:TOKEN, the user being ignored: what docker, skopeo and oras send after their `login`.
            guard let data = Data(base64Encoded: String(parts[1])) else { return nil }
            let pair = String(decoding: data, as: UTF8.self).split(
                separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return pair.count == 2 ? String(pair[1]) : nil
        default: return nil
        }
    }
}
