import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore

/// What operators read of events.
struct EventService: Sendable {
    let core: RegistryCore
    let streams: EventStreams

    /// A page of the list, or the stream where the caller asks for one.
    func answer(_ exchange: Exchange) async throws -> Response {
        let wanted = exchange.request.headers[.accept] ?? ""
        let media = wanted.split(separator: ",").map { $0.prefix { $0 != ";" }.lowercased() }
        guard media.contains(where: { $0.allSatisfy { !$0.isWhitespace } && $0 == EventStreamWords.mediaType }) else {
            return try .json(try await page(exchange))
        }
        return try await streams.answer(exchange)
    }

    /// One page of events within reach, newest first.
    private func page(_ exchange: Exchange) async throws -> Page<EventRecord> {
        let limit = try OperatorService.pageLimit(exchange)
        let cursor = try exchange.number("cursor", in: 1...Int64.max)
        let filter = try Self.filter(exchange)
        let reach = try exchange.reach
        let source = core.deviceOrigin.value
        return try await core.database.read { sql in
            let within = try EventReach(reach, sql)
            var items: [EventRow] = []
            var last = cursor
            // Others are left out here, so rows are read until a page is full or the end is reached.
            while true {
                let rows = try EventLog(sql).rows(before: last, limit: Limits.pageRows)
                for row in rows where filter.contains(row.type) {
                    guard try within.contains(row) else { continue }
                    guard items.count < limit else {
                        let next = items.last.map { String($0.number) }
                        return Page(items: items.map { EventRecord($0, source) }, next: next)
                    }
                    items.append(row)
                }
                guard rows.count == Limits.pageRows else {
                    return Page(items: items.map { EventRecord($0, source) })
                }
                last = rows.last?.number
            }
        }
    }

    /// The types that a caller wants.
    static func filter(_ exchange: Exchange) throws -> EventFilter {
        do {
            return try EventFilter(try exchange.query("type") ?? "")
        } catch let error as InvalidValue {
            throw ServerError(400, error.code, error.message, remedy: error.remedy, field: "type")
        }
    }
}

extension EventRecord {
    init(_ row: EventRow, _ source: String) {
        self.init(
            id: row.id, source: source, type: row.type, time: row.time, subject: row.subject, data: row.data)
    }
}
