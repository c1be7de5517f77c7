package import Logging
package import MartletTypes
internal import Synchronization

/// The last lines that the agent logged, in memory, for `martlet-agent logs`: a box may have no journal.
package final class LogRing: Sendable {
    private struct State {
        var lines: [LogLine] = []
        var bytes = 0
        var readers: [Int: AsyncStream<LogLine>.Continuation] = [:]
        var nextReader = 0
    }

    private let limit: Int
    private let clock: Clock
    private let state = Mutex(State())

    /// Keeps lines of `limit` bytes together.
    package init(limit: Int = AgentLimits.logRingBytes, clock: @escaping Clock = AgentClock.systemTime) {
        self.limit = limit
        self.clock = clock
    }

    /// A logger's handler that writes to the ring, and to `other` before.
    package func handler(_ other: any LogHandler) -> any LogHandler { RingLogHandler(ring: self, other: other) }

    func add(level: Logger.Level, slot: SlotName?, text: String) {
        let line = LogLine(time: clock(), level: level.rawValue, slot: slot, isEngine: false, text: text)
        let readers = state.withLock { state in
            state.lines.append(line)
            state.bytes += line.text.utf8.count
            var dropped = 0
            while state.bytes > limit, dropped < state.lines.count - 1 {
                state.bytes -= state.lines[dropped].text.utf8.count
                dropped += 1
            }
            if dropped > 0 { state.lines.removeFirst(dropped) }
            return Array(state.readers.values)
        }
        for reader in readers { reader.yield(line) }
    }

    /// The last lines, the oldest first; of one slot alone where it is named.
    func last(_ count: Int, slot: SlotName? = nil) -> [LogLine] {
        state.withLock { $0.lines.filter { slot == nil || $0.slot == slot }.suffix(count) }
    }

    /// Lines from now on.
    func lines() -> AsyncStream<LogLine> {
        let (stream, reader) = AsyncStream.makeStream(
            of: LogLine.self, bufferingPolicy: .bufferingNewest(AgentLimits.logReaderLines))
        let number = state.withLock { state in
            state.nextReader += 1
            state.readers[state.nextReader] = reader
            return state.nextReader
        }
        reader.onTermination = { [weak self] _ in self?.state.withLock { _ = $0.readers.removeValue(forKey: number) } }
        return stream
    }
}

/// Writes what is logged to the ring as well.
private struct RingLogHandler: LogHandler {
    let ring: LogRing
    var other: any LogHandler

    var logLevel: Logger.Level {
        get { other.logLevel }
        set { other.logLevel = newValue }
    }
    var metadata: Logger.Metadata {
        get { other.metadata }
        set { other.metadata = newValue }
    }
    var metadataProvider: Logger.MetadataProvider? {
        get { other.metadataProvider }
        set { other.metadataProvider = newValue }
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { other[metadataKey: key] }
        set { other[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        other.log(event: event)
        var all = metadata
        if let own = event.metadata { all.merge(own) { $1 } }
        let slot = all.removeValue(forKey: "slot").flatMap { value -> SlotName? in
            do { return try SlotName("\(value)") } catch { return nil }
        }
        let facts = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        ring.add(level: event.level, slot: slot, text: "\(event.message)\(facts)")
    }
}
