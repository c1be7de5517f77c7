/// One event of a stream (WHATWG HTML, section 9.2.6).
package struct StreamedEvent: Sendable, Hashable {
    /// The identifier to go on after; nil where the event has none.
    package var id: String?
    /// `message` where the stream says nothing.
    package var type: String
    package var data: String

    /// The type of what has an identifier and no data: it only says where the stream stands.
    package static let position = "stream.position"

    package init(id: String?, type: String, data: String) {
        self.id = id
        self.type = type
        self.data = data
    }
}

/// Reads a stream of server-sent events piece by piece; comments and `retry` are left out.
package struct EventStreamParser: Sendable {
    /// Bytes of one event: more than any that the registry sends.
    package static let eventBytes = 1024 * 1024

    private var line: [UInt8] = []
    private var id: String?
    private var type = ""
    private var data: [String] = []
    private var size = 0
    private var endedWithReturn = false

    package init() {}

    /// Takes bytes and returns the events that are whole with them. Throws `tooLarge` for an event without end.
    package mutating func add(_ bytes: some Sequence<UInt8>) throws(ClientError) -> [StreamedEvent] {
        var events: [StreamedEvent] = []
        for byte in bytes {
            switch byte {
            // A line ends with LF, CR, or both.
            case UInt8(ascii: "\n") where endedWithReturn: endedWithReturn = false
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                endedWithReturn = byte == UInt8(ascii: "\r")
                if let event = endLine() { events.append(event) }
            default:
                endedWithReturn = false
                line.append(byte)
                size += 1
                guard size <= Self.eventBytes else {
                    throw ClientError(.tooLarge, "the stream of events", "an event is over \(Self.eventBytes) bytes")
                }
            }
        }
        return events
    }

    private mutating func endLine() -> StreamedEvent? {
        defer { line = [] }
        guard !line.isEmpty else { return dispatch() }
        let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        var value = parts.count == 2 ? parts[1] : []
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        let text = String(decoding: value, as: UTF8.self)
        switch String(decoding: parts[0], as: UTF8.self) {
        case "id": id = text
        case "event": type = text
        case "data": data.append(text)
        default: break
        }
        return nil
    }

    private mutating func dispatch() -> StreamedEvent? {
        defer {
            id = nil
            type = ""
            data = []
            size = 0
        }
        // An identifier alone says where the stream stands.
        if data.isEmpty, let id { return StreamedEvent(id: id, type: StreamedEvent.position, data: "") }
        guard !data.isEmpty else { return nil }
        return StreamedEvent(id: id, type: type.isEmpty ? "message" : type, data: data.joined(separator: "\n"))
    }
}
