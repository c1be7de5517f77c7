import HTTPTypes
import Hummingbird
import MartletTypes

/// Errors of the OCI distribution spec 1.1: `{"errors":[{"code","message","detail"}]}`.
enum OCIErrorBody {
    private struct Body: Encodable {
        struct Entry: Encodable {
            let code: String
            let message: String
            let detail: String?
        }

        let errors: [Entry]
    }

    /// Codes of the specification; ours keep them as `ServerError.code`.
    static let codes: Set<String> = [
        "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED",
        "DENIED", "UNSUPPORTED", "TOOMANYREQUESTS",
    ]

    static func response(_ error: ServerError) -> Response {
        let entry = Body.Entry(
            code: code(of: error), message: error.message, detail: error.remedy.isEmpty ? nil : error.remedy)
        let bytes: [UInt8]
        do {
            bytes = try JSONText.encode(Body(errors: [entry]))
        } catch {
            bytes = Array("{}".utf8)
        }
        var response = Response.bytes(bytes, mediaType: "application/json", status: .init(code: error.status))
        if error.status == 401 {
            // Basic too: docker, skopeo and oras send a password where they have no token service to ask.
            response.headers[values: .wwwAuthenticate] = ["Basic realm=\"martlet\""]
        }
        return response
    }

    private static func code(of error: ServerError) -> String {
        if codes.contains(error.code) { return error.code }
        switch error.status {
        case 401: return "UNAUTHORIZED"
        case 403: return "DENIED"
        case 404: return "NAME_UNKNOWN"
        case 405, 415: return "UNSUPPORTED"
        case 413: return "SIZE_INVALID"
        case 429: return "TOOMANYREQUESTS"
        default: return error.code
        }
    }
}
