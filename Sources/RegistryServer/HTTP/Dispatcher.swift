import HTTPTypes
import Hummingbird
import Logging
import MartletAPI
import MartletTypes
import NIOCore

/// Proves who calls, for one listener. Throws where the proof is missing or not good enough for the route.
protocol Authorizer: Sendable {
    func principal(for route: Route, style: RouteStyle, request: Request, context: ServerContext) async throws
        -> Principal
}

/// The one way from a request to its handler: match, authorise, handle, turn errors into answers, count.
struct Dispatcher: HTTPResponder {
    let table: RouteTable
    let authorizer: any Authorizer
    let metrics: RequestMetrics
    /// Which listener this is, in logs and metrics.
    let listener: String
    /// Which connections end with their next answer; nil where none does.
    var connections: DeviceConnections?

    func respond(to request: Request, context: ServerContext) async throws -> Response {
        let start = ContinuousClock.now
        var (route, response) = await answer(request, context)
        let duration = ContinuousClock.now - start
        metrics.record(listener: listener, route: route, status: response.status.code, duration: duration)
        context.logger.debug(
            "request",
            metadata: [
                "listener": "\(listener)", "method": "\(request.method)", "route": "\(route)",
                "status": "\(response.status.code)", "peer": "\(context.peerAddress)",
                "milliseconds": "\(duration.milliseconds)",
            ])
        // Errors have bodies too, and a body after HEAD would be read as the next answer.
        if request.method == .head { response = response.createHeadResponse() }
        // Whoever waits to be told to go on may send its body after a refusal or not, so what comes next on the
        // connection could be either: it is closed once the answer is out (RFC 9110 section 10.1.1).
        let leavesUnread = request.expectsContinue && !response.status.isSuccess
        if leavesUnread || connections?.isEnding(context.channel) == true {
            response.closeAfterwards(context.channel)
        }
        return response
    }

    private func answer(_ request: Request, _ context: ServerContext) async -> (String, Response) {
        let path = request.uri.path
        switch table.match(request.method, path: path) {
        case .malformed:
            return ("malformed", ErrorAnswer.make(ServerError.badRequest("The address is not validly encoded."), .api))
        case .none:
            let style: RouteStyle = path.hasPrefix("/v2/") ? .oci : .api
            return ("none", ErrorAnswer.make(ServerError.noRoute, style))
        case .otherMethods(let methods, let style):
            let error = ServerError(
                405, "methodNotAllowed", "\(request.method) is not possible here.",
                remedy: "Use \(methods.map(\.rawValue).joined(separator: " or ")).")
            var response = ErrorAnswer.make(error, style)
            response.headers[.allow] = methods.map(\.rawValue).joined(separator: ", ")
            return ("otherMethod", response)
        case .found(let endpoint, let parameters):
            do {
                let principal = try await authorizer.principal(
                    for: endpoint.route, style: endpoint.style, request: request, context: context)
                if request.expectsContinue { try await context.channel.sendContinue() }
                let exchange = Exchange(
                    request: request, context: context, principal: principal, parameters: parameters)
                return (endpoint.route.path, try await endpoint.handler(exchange))
            } catch {
                let refusal = ErrorAnswer.refusal(for: error)
                if refusal.status >= 500, refusal.status != 503 {
                    context.logger.error(
                        "request failed",
                        metadata: ["route": "\(endpoint.route.path)", "code": "\(refusal.code)", "error": "\(error)"])
                }
                return (endpoint.route.path, ErrorAnswer.make(refusal, endpoint.style))
            }
        }
    }
}

extension Request {
    /// Whether the client waits for a word before it sends the body.
    var expectsContinue: Bool { headers[.expect]?.lowercased() == "100-continue" }
}

extension HTTPResponse.Status {
    /// 2xx.
    var isSuccess: Bool { kind == .successful }
}

extension Duration {
    var milliseconds: Double {
        Double(components.seconds) * 1000 + Double(components.attoseconds) / 1e15
    }
}
