internal import MartletTypes

/// Which connections to engines are kept between two requests, without I/O: each call says what follows from it.
///
/// The one that was used last goes first, so that those that a quiet slot does not need come to their end.
struct IdleConnections<Connection: AnyObject> {
    private struct Kept {
        let connection: Connection
        let route: GatewayRoute
        let since: Duration
    }

    /// Connections that are kept for one engine.
    private let bound: Int
    /// How long one is kept. Engines close theirs too, later than this.
    private let time: Duration
    private var kept: [Kept] = []

    init(bound: Int, time: Duration) {
        self.bound = bound
        self.time = time
    }

    var count: Int { kept.count }

    /// When the next one has been kept for long enough; nil where none is.
    var nextEnd: Duration? { kept.first.map { $0.since + time } }

    /// A connection to that engine, which is no longer kept from now on.
    mutating func take(_ route: GatewayRoute, at now: Duration) -> Connection? {
        guard let index = kept.lastIndex(where: { $0.route == route && now < $0.since + time }) else { return nil }
        return kept.remove(at: index).connection
    }

    /// Keeps a connection. False where there are as many as may be: it is to be closed. Call in the order of time.
    mutating func keep(_ connection: Connection, _ route: GatewayRoute, at now: Duration) -> Bool {
        guard kept.count(where: { $0.route == route }) < bound else { return false }
        kept.append(Kept(connection: connection, route: route, since: now))
        return true
    }

    /// The connection is over.
    mutating func forget(_ connection: Connection) { kept.removeAll { $0.connection === connection } }

    /// Those that were kept for long enough; they are to be closed.
    mutating func ended(at now: Duration) -> [Connection] { remove { [time] in $0.since + time <= now } }

    /// Those to the engines of a slot, or of one of its generations; they are to be closed.
    mutating func remove(_ slot: SlotName, generation: Int? = nil) -> [Connection] {
        remove { $0.route.slot == slot && (generation == nil || $0.route.generation == generation) }
    }

    /// All of them; they are to be closed.
    mutating func removeAll() -> [Connection] { remove { _ in true } }

    private mutating func remove(where isOver: (Kept) -> Bool) -> [Connection] {
        let over = kept.filter(isOver)
        kept.removeAll(where: isOver)
        return over.map(\.connection)
    }
}
