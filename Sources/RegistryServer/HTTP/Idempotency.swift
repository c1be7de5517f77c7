import HTTPTypes
import Hummingbird
import MartletTypes
import RegistryStore
import Synchronization

/// Answers a request with a small document that is in memory whole.
typealias DocumentHandler = @Sendable (Exchange) async throws -> StoredAnswer

extension StoredAnswer {
    static func json(_ value: some Encodable, status: Int = 200) throws -> StoredAnswer {
        StoredAnswer(status: status, mediaType: "application/json", body: try JSONText.encode(value))
    }

    static let noContent = StoredAnswer(status: 204, mediaType: "", body: [])

    var response: Response {
        body.isEmpty
            ? Response(status: .init(code: status))
            : Response.bytes(body, mediaType: mediaType, status: .init(code: status))
    }
}

/// Makes a repeated write with the same `Idempotency-Key` give the first answer again instead of doing it twice.
final class Idempotency: Sendable {
    private let core: RegistryCore
    private let atWork = Mutex<Set<String>>([])

    init(core: RegistryCore) { self.core = core }

    /// A handler that repeats its answers. Not for answers with a secret in them, which are kept nowhere.
    func wrap(_ handler: @escaping DocumentHandler) -> DocumentHandler {
        { [self] exchange in
            guard let key = exchange.request.headers[.idempotencyKey] else { return try await handler(exchange) }
            guard (1...ServerLimits.idempotencyKeyBytes).contains(key.utf8.count) else {
                throw ServerError.badRequest(
                    "An idempotency key has 1 to \(ServerLimits.idempotencyKeyBytes) bytes.", field: "Idempotency-Key")
            }
            let caller = exchange.callerID
            let body = try await exchange.body()
            let request = exchange.request
            let digest = Digest.of(Array("\(request.method) \(request.head.path ?? "")\n".utf8) + body)
            let place = caller + "\n" + key
            guard atWork.withLock({ $0.insert(place).inserted }) else {
                throw ServerError.conflict(
                    "requestAtWork", "A request with this idempotency key is being carried out.",
                    remedy: "Wait for its answer.", field: "Idempotency-Key")
            }
            defer { _ = atWork.withLock { $0.remove(place) } }
            let core = core
            if let kept = try await core.database.read({
                try IdempotencyStore($0).find(caller: caller, key: key, request: digest)
            }) {
                return kept
            }
            let answer = try await handler(exchange.replacingBody(with: body))
            try await core.database.write {
                try IdempotencyStore($0).put(answer, caller: caller, key: key, request: digest, now: core.clock())
            }
            return answer
        }
    }
}
