import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import NIOCore
import RegistryStore
import ServiceLifecycle
import Synchronization

/// Events as they happen, to whoever keeps a connection open (WHATWG HTML, server-sent events).
///
/// A stream holds no queue: it reads on from the log when its reader has taken what was written, so a slow one costs
/// one batch of memory and no other stream its place. One that fell behind what is kept is told so.
final class EventStreams: Sendable {
    private let core: RegistryCore
    private let count = Mutex(0)

    init(core: RegistryCore) { self.core = core }

    /// What one stream sends.
    private struct Order: Sendable {
        let filter: EventFilter
        let reach: Reach
        /// The identifier of the token: one that is revoked ends its streams.
        let token: String
    }

    /// What is to be written next, and where it goes on.
    private struct Batch: Sendable {
        var text = ""
        var cursor: Int64
        var isMore = false
        var isRevoked = false
    }

    /// One stream; throws 503 `tooManyStreams` beyond the bound.
    func answer(_ exchange: Exchange) async throws -> Response {
        guard case .token(let caller, let token) = exchange.principal else { throw ServerError.unauthorized }
        let order = Order(filter: try EventService.filter(exchange), reach: caller.reach, token: token)
        let start = try await start(exchange)
        let isFull = count.withLock { count in
            guard count < ServerLimits.eventStreams else { return true }
            count += 1
            return false
        }
        guard !isFull else {
            throw ServerError(
                503, "tooManyStreams", "Too many streams of events are open.",
                remedy: "Close some, or ask for the list of events.")
        }
        let channel = exchange.context.channel
        let body = ResponseBody { [self] writer in
            defer { count.withLock { $0 -= 1 } }
            try await stream(order, from: start, channel) { try await writer.write($0) }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok, headers: [.contentType: EventStreamWords.mediaType, .cacheControl: "no-store"], body: body)
    }

    /// Where a stream begins.
    private struct Start: Sendable {
        /// It goes on after this number.
        let number: Int64
        /// The identifier of that event.
        let id: String?
        /// What it asks for is not kept any more.
        let isGap: Bool
    }

    private func start(_ exchange: Exchange) async throws -> Start {
        let name = HTTPField.Name(EventStreamWords.lastEventID)
        let last = try name.flatMap { exchange.request.headers[$0] } ?? exchange.query("after")
        let before = try exchange.number("last", in: 0...ServerLimits.eventsBefore) ?? 0
        return try await core.database.read { sql in
            let log = EventLog(sql)
            if let last, let event = try log.find(id: last) {
                return Start(number: event.number, id: event.id, isGap: false)
            }
            let isGap = !(last ?? "").isEmpty
            let oldest = try log.oldest().map { $0 - 1 } ?? log.newest()
            let number = isGap ? oldest : max(oldest, try log.newest() - before)
            return Start(number: number, id: try log.find(number: number)?.id, isGap: isGap)
        }
    }

    private func stream(
        _ order: Order, from start: Start, _ channel: any Channel, write: (ByteBuffer) async throws -> Void
    ) async throws {
        let listener = core.changes.listen([.event], nil)
        defer { core.changes.end(listener) }
        try await withGracefulShutdownHandler {
            // At once, so that whoever opened it knows that it is open, and where it stands before the first event.
            let position = start.id.map { "id: \($0)\n" } ?? ""
            try await Self.timed(channel, "retry: 3000\n\(position)\n" + (start.isGap ? Self.gap : ""), write)
            var cursor = start.number
            while true {
                let batch = try await next(order, after: cursor)
                guard !batch.isRevoked else { return }
                cursor = batch.cursor
                if !batch.text.isEmpty { try await Self.timed(channel, batch.text, write) }
                guard !batch.isMore else { continue }
                let alarm = channel.eventLoop.scheduleTask(in: TimeAmount(ServerLimits.liveSilence)) {
                    listener.wake(.timeout)
                }
                let wake = await listener.wait()
                alarm.cancel()
                switch wake {
                case .change: continue
                // A comment keeps proxies from closing it, and finds out that the other side is gone.
                case .timeout: try await Self.timed(channel, ": still here\n\n", write)
                case .closed, .shutdown: return
                }
            }
        } onGracefulShutdown: {
            listener.wake(.shutdown)
        }
    }

    /// Writes; a reader that takes nothing for long loses its connection.
    private static func timed(
        _ channel: any Channel, _ text: String, _ write: (ByteBuffer) async throws -> Void
    ) async throws {
        let alarm = channel.eventLoop.scheduleTask(in: TimeAmount(ServerLimits.eventWriteLife)) {
            channel.close(promise: nil)
        }
        defer { alarm.cancel() }
        try await write(ByteBuffer(string: text))
    }

    private func next(_ order: Order, after number: Int64) async throws -> Batch {
        let core = core
        return try await core.database.read { sql in
            var batch = Batch(cursor: number)
            guard let token = try TokenStore(sql).find(id: order.token),
                token.expires.map({ $0 > core.clock() }) ?? true
            else {
                batch.isRevoked = true
                return batch
            }
            let log = EventLog(sql)
            let rows = try log.rows(after: number, limit: ServerLimits.eventBatch)
            if let first = rows.first, first.number > number + 1 { batch.text = Self.gap }
            let within = try EventReach(order.reach, sql)
            for row in rows {
                batch.cursor = row.number
                guard order.filter.contains(row.type), try within.contains(row) else { continue }
                batch.text += try Self.text(EventRecord(row, core.deviceOrigin.value))
            }
            batch.isMore = rows.count == ServerLimits.eventBatch
            return batch
        }
    }

    /// What comes in place of events that are not kept any more; without an identifier, so that none is taken for it.
    private static let gap = "event: \(EventStreamWords.gap)\ndata: {\"reason\":\"older events are not kept\"}\n\n"

    /// JSON has no line breaks, so it is one line of data.
    private static func text(_ event: EventRecord) throws -> String {
        let data = String(decoding: try JSONText.encode(event), as: UTF8.self)
        return "id: \(event.id)\nevent: \(event.type)\ndata: \(data)\n\n"
    }
}
