import HTTPTypes
import Hummingbird
import MartletTypes
import NIOCore

/// JSON in and out, with errors that name the member.
enum JSONBody {
    static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        do {
            return try JSONText.decode(type, from: bytes)
        } catch let error as DecodingError {
            throw describe(error)
        } catch let error as InvalidValue {
            throw ServerError(400, error.code, error.message, remedy: error.remedy)
        }
    }

    /// A refusal that names the member by a JSON pointer (RFC 6901).
    static func describe(_ error: DecodingError) -> ServerError {
        switch error {
        case .keyNotFound(let key, let context):
            let pointer = pointer(context.codingPath + [key])
            return .badRequest("\(pointer) is missing.", remedy: "Add it.", field: pointer)
        case .valueNotFound(_, let context):
            let pointer = pointer(context.codingPath)
            return .badRequest("\(pointer) is null.", remedy: "Give it a value.", field: pointer)
        case .typeMismatch(let type, let context):
            let pointer = pointer(context.codingPath)
            return .badRequest("\(pointer) is not of type \(name(type)).", field: pointer)
        case .dataCorrupted(let context):
            let pointer = pointer(context.codingPath)
            if pointer.isEmpty { return .badRequest("The body is not JSON.", remedy: "Send one JSON document.") }
            return .badRequest("\(pointer): \(context.debugDescription)", field: pointer)
        @unknown default:
            return .badRequest("The body does not have the expected form.")
        }
    }

    private static func pointer(_ path: [any CodingKey]) -> String {
        path.map { key in
            "/"
                + (key.intValue.map(String.init)
                    ?? key.stringValue.replacing("~", with: "~0").replacing("/", with: "~1"))
        }.joined()
    }

    private static func name(_ type: Any.Type) -> String {
        switch type {
        case is String.Type: "string"
        case is Bool.Type: "Boolean"
        case is Int.Type, is Int64.Type: "whole number"
        case is Double.Type: "number"
        default: "\(type)".contains("Dictionary") ? "object" : "\(type)"
        }
    }
}

extension Response {
    /// A JSON answer.
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        bytes(try JSONText.encode(value), mediaType: "application/json", status: status)
    }

    /// An answer of some bytes.
    static func bytes(
        _ bytes: [UInt8], mediaType: String, status: HTTPResponse.Status = .ok
    ) -> Response {
        Response(
            status: status, headers: [.contentType: mediaType], body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        )
    }

    /// 204.
    static let noContent = Response(status: .noContent)
}
