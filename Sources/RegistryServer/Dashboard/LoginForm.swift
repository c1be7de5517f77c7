import HTTPTypes
import Hummingbird
import MartletTypes

/// Signing in with a token: the page gets a cookie that stands for it, which no script can read.
struct LoginForm: Sendable {
    let renderer: PageRenderer
    let authorizer: OperatorAuthorizer
    let sessions: Sessions
    /// Whether the listener has TLS, so that the cookie is sent over TLS only.
    let isSecure: Bool

    func form(_ problem: String? = nil, status: HTTPResponse.Status = .ok) throws -> Response {
        try renderer.page("login", problem.map { ["problem": $0] } ?? [:], status: status)
    }

    func submit(_ exchange: Exchange) async throws -> Response {
        try Self.refuseOtherSites(exchange)
        let body = String(decoding: try await exchange.body(limit: 4096), as: UTF8.self)
        let fields = body.split(separator: "&").map { $0.split(separator: "=", maxSplits: 1) }
        let raw = fields.first { $0.first == "token" && $0.count == 2 }?[1] ?? ""
        let secret = PercentDecoding.decode(raw, plusIsSpace: true)?.filter { !$0.isWhitespace } ?? ""
        do {
            _ = try await authorizer.caller(secret, from: exchange.context.peerAddress)
        } catch let error as ServerError where error.status == 429 {
            return try form("Too many attempts. Wait a minute, then try again.", status: .tooManyRequests)
        } catch let error as ServerError where error.status == 401 {
            return try form("This token is unknown or has expired.", status: .unauthorized)
        }
        var response = Response.redirect(to: "/", type: .normal)
        response.headers[.setCookie] = cookie(sessions.open(secret: secret), life: ServerLimits.sessionLife)
        return response
    }

    func end(_ exchange: Exchange) throws -> Response {
        try Self.refuseOtherSites(exchange)
        if let value = Sessions.value(in: exchange.request.headers[.cookie]) { sessions.close(value) }
        var response = Response.redirect(to: "/login", type: .normal)
        response.headers[.setCookie] = cookie("", life: .zero)
        return response
    }

    private func cookie(_ value: String, life: Duration) -> String {
        "\(Sessions.cookie)=\(value); Path=/; Max-Age=\(life.components.seconds); HttpOnly; SameSite=Strict"
            + (isSecure ? "; Secure" : "")
    }

    /// Browsers say where a form was sent from.
    private static func refuseOtherSites(_ exchange: Exchange) throws {
        if let site = exchange.request.headers[.fetchSite], site != "same-origin", site != "none" {
            throw ServerError(403, "otherSite", "The form was sent from another site.")
        }
    }
}
