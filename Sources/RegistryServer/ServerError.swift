package import MartletAPI
package import MartletTypes

/// Why the registry refuses a request or cannot run.
package struct ServerError: MartletError, Equatable {
    package let code: String
    package let message: String
    package let remedy: String
    package let fault: ErrorFault
    /// The HTTP status that goes with it.
    package let status: Int
    /// The member of the request that was wrong: a JSON pointer or a name of the query.
    package let field: String?

    package init(
        _ status: Int, _ code: String, _ message: String, remedy: String = "", field: String? = nil,
        fault: ErrorFault = .caller
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.remedy = remedy
        self.field = field
        self.fault = fault
    }

    package static func == (left: Self, right: Self) -> Bool { left.code == right.code && left.field == right.field }

    /// The body of the answer.
    package var problem: Problem {
        Problem(
            status: status, code: code, title: Self.title(status), detail: message,
            remedy: remedy.isEmpty ? nil : remedy, field: field)
    }

    private static func title(_ status: Int) -> String {
        switch status {
        case 400: "The request is malformed"
        case 401: "Authentication is needed"
        case 403: "Not permitted"
        case 404: "Not found"
        case 405: "Method not allowed"
        case 409: "Conflict with the current state"
        case 412: "A precondition failed"
        case 413: "The request is too large"
        case 415: "Unsupported media type"
        case 416: "The range is not satisfiable"
        case 422: "The request cannot be carried out"
        case 429: "Too many requests"
        case 503: "Not ready"
        case 507: "The registry's disk is full"
        default: "The registry failed"
        }
    }
}

extension ServerError {
    static func badRequest(_ message: String, remedy: String = "", field: String? = nil) -> ServerError {
        ServerError(400, "badRequest", message, remedy: remedy, field: field)
    }

    static let noRoute = ServerError(
        404, "noRoute", "There is nothing at this address.", remedy: "See /api/v1/openapi.yaml for every address.")

    static func notFound(_ code: String, _ message: String, remedy: String = "") -> ServerError {
        ServerError(404, code, message, remedy: remedy)
    }

    static func conflict(_ code: String, _ message: String, remedy: String = "", field: String? = nil) -> ServerError {
        ServerError(409, code, message, remedy: remedy, field: field)
    }

    static func unprocessable(
        _ code: String, _ message: String, remedy: String = "", field: String? = nil
    ) -> ServerError {
        ServerError(422, code, message, remedy: remedy, field: field)
    }

    static let unauthorized = ServerError(
        401, "unauthorized", "This needs a valid bearer token.",
        remedy: "Run `martlet login`, or ask an administrator for a token.")

    static func tokenExpired(_ end: Timestamp) -> ServerError {
        ServerError(
            401, "tokenExpired", "This token expired at \(end).",
            remedy: "Ask an administrator for a new one (`martlet token create`), then run `martlet login` again.")
    }

    static func forbidden(_ needed: String) -> ServerError {
        ServerError(
            403, "forbidden", "This token may not do that: \(needed) is needed.",
            remedy: "Ask an administrator for a token that may.")
    }

    static func tooLarge(limit: Int64) -> ServerError {
        ServerError(413, "tooLarge", "The body is over the limit of \(limit) bytes.", remedy: "Send less at once.")
    }

    static func unsupportedMediaType(_ wanted: String) -> ServerError {
        ServerError(415, "unsupportedMediaType", "The body must be \(wanted).", remedy: "Set Content-Type: \(wanted).")
    }

    static let noRoot = ServerError(
        503, "noRoot", "The registry is not ready: no root.", remedy: "Run `martlet trust init` once.")

    static let unknownDevice = ServerError(
        401, "unknownDevice", "This certificate is of no device that is enrolled here.",
        remedy: "Enrol the device with a join token.")

    static let diskFull = ServerError(
        507, "diskFull", "The registry's disk is full; nothing was kept of this request.",
        remedy: "Free space in the data folder, then try again.", fault: .environment)

    static let internalError = ServerError(
        500, "internalError", "The registry failed at this request; its log says why.",
        remedy: "Try again; if it stays, look at the registry's log.", fault: .us)
}
