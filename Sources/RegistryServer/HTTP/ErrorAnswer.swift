import BundleFormat
import Glibc
import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import NIOCore
import NIOHTTP1
import RegistryStore
import TUF
import Telemetry
import Trust

/// Turns what a handler threw into an answer.
enum ErrorAnswer {
    /// The refusal that stands for an error; what is not ours to explain becomes `internalError`.
    static func refusal(for error: any Error) -> ServerError {
        switch error {
        case let error as ServerError: return error
        case let error as InvalidValue:
            return ServerError(400, error.code, error.message, remedy: error.remedy)
        case let error as DecodingError: return JSONBody.describe(error)
        case let error as StoreError: return ServerError(error)
        case let error as TrustError where error.fault != .environment:
            return ServerError(422, error.code, error.message, remedy: error.remedy)
        case let error as TUFError:
            return ServerError(422, error.code, error.message, remedy: error.remedy)
        case let error as TelemetryError:
            return ServerError(400, error.code, error.message, remedy: error.remedy)
        case let error as BundleError:
            return ServerError(422, error.code, error.message, remedy: error.remedy)
        case let error as IOError where error.errnoCode == ENOSPC || error.errnoCode == EDQUOT: return .diskFull
        case is HTTPParserError:
            return .badRequest("The body is not well-formed HTTP.", remedy: "Send whole chunks, or a length.")
        case is CancellationError:
            return ServerError(
                503, "shuttingDown", "The registry is shutting down.", remedy: "Try again in a moment.",
                fault: .environment)
        default: return .internalError
        }
    }

    /// The answer in the form that the route's callers read.
    static func make(_ error: ServerError, _ style: RouteStyle) -> Response {
        var response: Response
        switch style {
        case .api: response = problem(error)
        case .oci: response = OCIErrorBody.response(error)
        case .page:
            if error.status == 401 { return .redirect(to: "/login", type: .normal) }
            response = Response.bytes(
                Array("\(error.status) \(error.message) \(error.remedy)\n".utf8),
                mediaType: "text/plain; charset=utf-8",
                status: .init(code: error.status))
        }
        if error.status == 429 || error.status == 503 { response.headers[.retryAfter] = "5" }
        if error.code == "pendingDevice" { response.headers[.retryAfter] = String(ServerLimits.approvalPauseSeconds) }
        return response
    }

    private static func problem(_ error: ServerError) -> Response {
        let body: [UInt8]
        do {
            body = try JSONText.encode(error.problem)
        } catch {
            body = Array("{}".utf8)
        }
        var response = Response.bytes(body, mediaType: Problem.mediaType, status: .init(code: error.status))
        if error.status == 401 { response.headers[.wwwAuthenticate] = "Bearer realm=\"martlet\"" }
        response.headers[.cacheControl] = "no-store"
        return response
    }
}
