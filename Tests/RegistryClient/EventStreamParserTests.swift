import RegistryClient
import Testing

@Suite struct EventStreamParserTests {
    private func parse(_ text: String, pieces: Int) throws -> [StreamedEvent] {
        var parser = EventStreamParser()
        var rest = Array(text.utf8)[...]
        var events: [StreamedEvent] = []
        while !rest.isEmpty {
            events += try parser.add(rest.prefix(pieces))
            rest = rest.dropFirst(pieces)
        }
        return events
    }

    @Test(
        "Events are read however they are cut and lines end",
        arguments: [1, 2, 3, 1000], ["\n", "\r\n", "\r"])
    func pieces(size: Int, end: String) throws {
        let lines = [
            "retry: 3000", "id: 0", "", ": a comment", "", "id: 1", "event: rollout.paused", "data: {\"a\": 1}", "",
            "data:x", "data: y", "unknown: z", "", "event: nothing", "", "data: cut",
        ]
        let events = try parse(lines.joined(separator: end) + end, pieces: size)
        #expect(
            events == [
                StreamedEvent(id: "0", type: StreamedEvent.position, data: ""),
                StreamedEvent(id: "1", type: "rollout.paused", data: #"{"a": 1}"#),
                StreamedEvent(id: nil, type: "message", data: "x\ny"),
            ])
    }

    @Test("An event without end is refused")
    func endless() {
        var parser = EventStreamParser()
        #expect(throws: ClientError.self) {
            for _ in 0..<64 { _ = try parser.add(Array(repeating: UInt8(ascii: "x"), count: 32 * 1024)) }
        }
    }
}
