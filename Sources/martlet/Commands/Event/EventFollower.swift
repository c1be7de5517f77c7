import MartletAPI
import MartletTypes
import RegistryClient
import Synchronization

/// Follows the registry's stream of events, and takes it up again where it broke off.
struct EventFollower: Sendable {
    /// What the stream brings.
    enum Moment: Sendable {
        /// It stands: at first, and after each break.
        case opened
        case event(EventRecord)
        /// Events that should come here are not kept any more.
        case gap
        /// It broke off; it is tried again by itself.
        case lost(ClientError)
    }

    let registry: OperatorClient
    let filter: EventFilter

    /// As many as a stream may begin with.
    private static let most = 1000
    /// The first pause before it is taken up again; it doubles while nothing new comes.
    private static let shortest: Duration = .seconds(1)
    private static let longest: Duration = .seconds(30)

    /// Goes on until it is cancelled; each moment goes to `take`, on the client's thread. Throws what was wrong from
    /// the start, or is refused: that is not tried again.
    func follow(after: String?, last: Int, take: @escaping @Sendable (Moment) throws -> Void) async throws {
        let seen = Mutex(after)
        let isOpened = Mutex(false)
        var pause = Self.shortest
        var isFirst = true
        while true {
            let before = seen.withLock { $0 }
            let isOpen = Mutex(false)
            do {
                let last = isFirst ? min(last, Self.most) : 0
                try await registry.followEvents(filter, after: before, last: last) { event in
                    isOpened.withLock { $0 = true }
                    let wasOpen = isOpen.withLock { isOpen in
                        defer { isOpen = true }
                        return isOpen
                    }
                    if !wasOpen { try take(.opened) }
                    try Self.take(event, take)
                    if let id = event.id { seen.withLock { $0 = id } }
                }
            } catch let error as ClientError {
                let isRefused = error.status.map { (400..<500).contains($0) } ?? false
                guard isOpened.withLock({ $0 }), !isRefused, !Task.isCancelled else { throw error }
                try take(.lost(error))
            }
            isFirst = false
            pause = seen.withLock { $0 } == before ? min(pause * 2, Self.longest) : Self.shortest
            try await Task.sleep(for: pause)
        }
    }

    private static func take(_ event: StreamedEvent, _ take: (Moment) throws -> Void) throws {
        guard event.type != StreamedEvent.position else { return }
        guard event.type != EventStreamWords.gap else { return try take(.gap) }
        try take(.event(try JSONText.decode(EventRecord.self, from: Array(event.data.utf8))))
    }
}
