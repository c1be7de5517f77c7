internal import MartletTypes
internal import NIOCore
internal import NIOHTTP1

/// A request for a model: what is passed on to an engine.
struct InferenceRequest {
    let slot: SlotName
    let path: String
    let body: ByteBuffer
    var method = HTTPMethod.POST
    var contentType: String? = "application/json"
    /// Whether it is passed on as it came, to an engine with a protocol of its own.
    var isPlain = false

    /// Whether it asks for embeddings, which not every engine makes.
    var embeds: Bool { path == GatewayRequest.embeddingsPath }
}

/// What the gateway answers by itself.
struct GatewayReply: Equatable {
    let status: Int
    let body: [UInt8]
    var headers: [String: String] = [:]

    /// An error in the shape of the OpenAI API.
    static func error(
        _ status: Int, _ message: String, type: String = "invalid_request_error", code: String, param: String? = nil
    ) -> GatewayReply {
        let error: [String: JSONValue] = [
            "message": .string(message), "type": .string(type), "code": .string(code),
            "param": param.map(JSONValue.string) ?? .null,
        ]
        return json(status, .object(["error": .object(error)]))
    }

    static func json(_ status: Int, _ value: JSONValue) -> GatewayReply {
        // Made of strings, whole numbers and Booleans, which always have a JSON form.
        GatewayReply(status: status, body: (try? JSONText.encode(value)) ?? Array("{}".utf8))
    }

    static func refused(retryAfterSeconds: Int, _ message: String, code: String = "slot_busy") -> GatewayReply {
        var reply = error(503, message, type: "server_error", code: code)
        reply.headers["retry-after"] = String(retryAfterSeconds)
        return reply
    }

    static func noEmbeddings(_ slot: SlotName) -> GatewayReply {
        error(
            400,
            "The model \"\(slot)\" makes no embeddings: neither its release nor its rollout names a pooling. "
                + "`martlet publish --pooling mean` or `martlet rollout start --pooling mean` does.",
            code: "embeddings_not_supported", param: "model")
    }

    /// A slot is asked in the way that its engine does not speak.
    static func otherProtocol(_ request: InferenceRequest) -> GatewayReply {
        request.isPlain
            ? error(
                400,
                "The slot \"\(request.slot)\" speaks the OpenAI API: name it as the model of /v1/chat/completions.",
                code: "slot_speaks_openai", param: "model")
            : error(
                400,
                "The slot \"\(request.slot)\" serves no language model: ask it below "
                    + "\(GatewayRequest.slotsPath)\(request.slot)/.", code: "slot_speaks_http", param: "model")
    }

    static func unknownSlot(_ name: String, known: [SlotName]) -> GatewayReply {
        let names = known.isEmpty ? "none" : known.map(\.text).joined(separator: ", ")
        let quoted = String(name.prefix(Limits.quotedValueCharacters))
        return error(
            404, "The model \"\(quoted)\" is no slot of this device; its slots: \(names).", code: "model_not_found",
            param: "model")
    }
}

/// What a request asks for: decided from its head and body alone.
struct GatewayRequest {
    enum Decision {
        case reply(GatewayReply)
        case infer(InferenceRequest)
    }

    /// The paths of the OpenAI API that reach an engine.
    static let inferencePaths: Set<String> = ["/v1/chat/completions", "/v1/completions", embeddingsPath]
    static let embeddingsPath = "/v1/embeddings"
    /// Below it stand the slots whose engines have a protocol of their own, each with the engine's paths below it.
    static let slotsPath = "/v1/slots/"

    /// Checks what can be told from the head: who asks, from where, for what, how much. Nil lets the request in.
    static func refusal(
        _ head: HTTPRequestHead, configuration: GatewayConfiguration, isLocalSocket: Bool
    ) -> GatewayReply? {
        if !isLocalSocket {
            let check = HostCheck(configuration: configuration)
            let hosts = head.headers["host"]
            guard hosts.count == 1, check.isAllowed(host: hosts[0]) else {
                return .error(403, "The Host header names no address of this gateway.", code: "host_not_allowed")
            }
            if let origin = head.headers.first(name: "origin"), !check.isAllowed(origin: origin) {
                return .error(403, "Pages of other origins may not use this gateway.", code: "origin_not_allowed")
            }
            guard check.hasKey(head.headers["authorization"]) else {
                var reply = GatewayReply.error(
                    401, "A key is needed: send it as Authorization: Bearer.", code: "invalid_api_key")
                reply.headers["www-authenticate"] = "Bearer"
                return reply
            }
        }
        if let length = head.headers.first(name: "content-length").flatMap({ Int64($0) }),
            length > configuration.maxBodyBytes.bytes
        {
            return tooLarge(configuration)
        }
        return nil
    }

    static func tooLarge(_ configuration: GatewayConfiguration) -> GatewayReply {
        .error(413, "The request is larger than \(configuration.maxBodyBytes).", code: "request_too_large")
    }

    /// What to do with a whole request.
    static func decide(
        _ head: HTTPRequestHead, body: ByteBuffer, slots: [RouteTable.SlotState]
    ) -> Decision {
        let path = String(head.uri.prefix { $0 != "?" && $0 != "#" })
        if inferencePaths.contains(path) {
            guard head.method == .POST else { return .reply(wrongMethod("POST")) }
            return infer(path, body, slots.map(\.slot))
        }
        if path.hasPrefix(slotsPath) { return plain(head, body, slots.map(\.slot)) }
        let isModel = path.hasPrefix("/v1/models/")
        guard path == "/v1/models" || path == "/health" || isModel else {
            let known = inferencePaths.sorted() + [slotsPath + "NAME/…", "/v1/models", "/health"]
            let message = "There is nothing here; this gateway has \(known.joined(separator: ", "))."
            return .reply(.error(404, message, code: "not_found"))
        }
        guard head.method == .GET || head.method == .HEAD else { return .reply(wrongMethod("GET")) }
        if path == "/health" { return .reply(health(slots)) }
        if path == "/v1/models" {
            return .reply(
                .json(200, .object(["object": .string("list"), "data": .array(slots.map { model($0.slot) })])))
        }
        let name = String(path.dropFirst("/v1/models/".count))
        guard let slot = slots.first(where: { $0.slot.text == name }) else {
            return .reply(.unknownSlot(name, known: slots.map(\.slot)))
        }
        return .reply(.json(200, model(slot.slot)))
    }

    private struct Envelope: Decodable {
        let model: String
    }

    private static func infer(_ path: String, _ body: ByteBuffer, _ slots: [SlotName]) -> Decision {
        let envelope: Envelope
        do {
            envelope = try JSONText.decode(Envelope.self, from: body.readableBytesView)
        } catch DecodingError.keyNotFound, DecodingError.typeMismatch, DecodingError.valueNotFound {
            let rule = "The body must be a JSON object whose member model names a slot."
            return .reply(.error(400, rule, code: "model_missing", param: "model"))
        } catch {
            return .reply(.error(400, "The body is no valid JSON.", code: "invalid_json"))
        }
        guard let slot = try? SlotName(envelope.model), slots.contains(slot) else {
            return .reply(.unknownSlot(envelope.model, known: slots))
        }
        return .infer(InferenceRequest(slot: slot, path: path, body: body))
    }

    /// `/v1/slots/NAME/classify?top=3` is the engine's `/classify?top=3`.
    private static func plain(_ head: HTTPRequestHead, _ body: ByteBuffer, _ slots: [SlotName]) -> Decision {
        let rest = head.uri.dropFirst(slotsPath.count)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let name = String(rest[..<end])
        guard let slot = try? SlotName(name), slots.contains(slot) else {
            return .reply(.unknownSlot(name, known: slots))
        }
        guard head.method == .GET || head.method == .POST else { return .reply(wrongMethod("GET, POST")) }
        let path = String(rest[end...])
        guard EngineQuestion.isPath(path) else {
            return .reply(
                .error(
                    404, "After the slot's name comes a path of its engine, e.g. \(slotsPath)\(slot)/classify.",
                    code: "not_found"))
        }
        let type = head.headers.first(name: "content-type")
        guard type.map({ $0.utf8.count <= RuntimeLimits.contentTypeBytes }) ?? true else {
            return .reply(.error(400, "The content type is too long.", code: "content_type"))
        }
        return .infer(
            InferenceRequest(
                slot: slot, path: path, body: body, method: head.method, contentType: type, isPlain: true))
    }

    private static func wrongMethod(_ allowed: String) -> GatewayReply {
        var reply = GatewayReply.error(405, "Use \(allowed) here.", code: "method_not_allowed")
        reply.headers["allow"] = allowed
        return reply
    }

    private static func model(_ slot: SlotName) -> JSONValue {
        .object([
            "id": .string(slot.text), "object": .string("model"), "created": .integer(0),
            "owned_by": .string("martlet"),
        ])
    }

    private static func health(_ slots: [RouteTable.SlotState]) -> GatewayReply {
        let states = slots.map { slot in
            let word = slot.isServing ? "serving" : (slot.isResting ? "resting" : "waiting")
            return (slot.slot.text, JSONValue.string(word))
        }
        return .json(
            200, .object(["status": .string("ok"), "slots": .object(Dictionary(uniqueKeysWithValues: states))]))
    }
}
