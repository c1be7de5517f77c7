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
    let wrongTokens: RateLimit

    func principal(
        for access: Access, style: RouteStyle, request: Request, context: ServerContext
    ) async throws -> Principal {
        switch access {
        case .open: return .anonymous
        case .device, .enrolling: throw ServerError.noRoute
        case .atLeast(let role):
            guard let secret = Self.secret(style, request, sessions) else { throw ServerError.unauthorized }
            guard let (caller, id) = try await caller(secret) else {
                // Whoever has the secret of a token that ended may know that: nothing else is told of tokens.
                let core = core
                if let end = try await core.database.read({
                    try TokenStore($0).end(ofSecret: secret, now: core.clock())
                }) {
                    throw ServerError.tokenExpired(end)
                }
                try wrongTokens.spend(context.peerAddress)
                throw ServerError.unauthorized
            }
            guard caller.role >= role else { throw ServerError.forbidden("the role \(role.rawValue)") }
            return .token(caller, id: id)
        }
    }

    /// The token with this secret; nil where there is none, or its time is over.
    func caller(_ secret: String) async throws -> (Caller, String)? {
        let core = core
        let row = try await core.database.read { try TokenStore($0).find(secret: secret, now: core.clock()) }
        guard let row, let role = Role(rawValue: row.role) else { return nil }
        return (Caller(name: row.name, role: role, namespace: row.namespace, expires: row.expires), row.id)
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
