import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import NIOCore

/// Who is calling, once that is proven.
enum Principal: Sendable {
    case anonymous
    case token(Caller, id: String)
    case device(DeviceID)
}

/// One request on its way through a handler.
struct Exchange: Sendable {
    let request: Request
    let context: ServerContext
    let principal: Principal
    /// Path parameters, decoded.
    let parameters: [String: String]

    /// The token that called; throws where the route was not guarded by one.
    var caller: Caller {
        get throws {
            guard case .token(let caller, _) = principal else { throw ServerError.unauthorized }
            return caller
        }
    }

    /// What the caller's token leaves within reach.
    var reach: Reach {
        get throws { try caller.reach }
    }

    /// The device that called.
    var device: DeviceID {
        get throws {
            guard case .device(let device) = principal else { throw ServerError.unknownDevice }
            return device
        }
    }

    /// Who called, by what no other can have: a token's name may be given again once it is revoked.
    var callerID: String {
        switch principal {
        case .anonymous: "anonymous"
        case .token(_, let id): "token:\(id)"
        case .device(let device): "device:\(device)"
        }
    }

    /// Whom the audit log names.
    var actor: String {
        switch principal {
        case .anonymous: "anonymous"
        case .token(let caller, _): caller.name
        case .device(let device): "device:\(device)"
        }
    }

    /// A path parameter as a checked value.
    func parameter<Value: ValidatedString>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
        do {
            return try Value(parameters[name] ?? "")
        } catch {
            throw ServerError(400, error.code, error.message, remedy: error.remedy, field: name)
        }
    }

    /// The raw text of a path parameter.
    func text(_ name: String) -> String { parameters[name] ?? "" }

    /// The first value of a query name; nil where it is absent.
    func query(_ name: String) throws -> String? {
        guard let query = request.uri.query else { return nil }
        for pair in query.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves[0] == name else { continue }
            let value = halves.count == 2 ? halves[1] : ""
            guard let decoded = PercentDecoding.decode(value, plusIsSpace: true) else {
                throw ServerError.badRequest("The query value of \(name) is not validly encoded.", field: name)
            }
            return decoded
        }
        return nil
    }

    /// A query value as a checked value; nil where it is absent or empty.
    func query<Value: ValidatedString>(_ name: String, as type: Value.Type) throws -> Value? {
        guard let text = try query(name), !text.isEmpty else { return nil }
        do {
            return try Value(text)
        } catch {
            throw ServerError(400, error.code, error.message, remedy: error.remedy, field: name)
        }
    }

    /// A query value as a number within bounds; nil where it is absent.
    func number(_ name: String, in bounds: ClosedRange<Int64>) throws -> Int64? {
        guard let text = try query(name) else { return nil }
        guard let value = Int64(text), bounds.contains(value) else {
            throw ServerError.badRequest(
                "\(name) is not a number from \(bounds.lowerBound) to \(bounds.upperBound).", field: name)
        }
        return value
    }

    /// The same with a body that was already read.
    func replacingBody(with bytes: [UInt8]) -> Exchange {
        var request = request
        request.body = RequestBody(buffer: ByteBuffer(bytes: bytes))
        return Exchange(request: request, context: context, principal: principal, parameters: parameters)
    }

    /// The body, at most `limit` bytes of it.
    func body(limit: Int = Limits.apiBodyBytes) async throws -> [UInt8] {
        if let text = request.headers[.contentLength], let length = Int64(text), length > Int64(limit) {
            throw ServerError.tooLarge(limit: Int64(limit))
        }
        var bytes: [UInt8] = []
        for try await piece in request.body {
            guard bytes.count + piece.readableBytes <= limit else { throw ServerError.tooLarge(limit: Int64(limit)) }
            bytes.append(contentsOf: piece.readableBytesView)
        }
        return bytes
    }

    /// The body as JSON; an error names the member that is wrong as a JSON pointer.
    func json<Value: Decodable>(_ type: Value.Type, limit: Int = Limits.apiBodyBytes) async throws -> Value {
        let mediaType = request.headers[.contentType].map { $0.prefix { $0 != ";" }.lowercased() }
        guard mediaType == nil || mediaType == "application/json" else {
            throw ServerError.unsupportedMediaType("application/json")
        }
        return try JSONBody.decode(type, from: try await body(limit: limit))
    }
}
