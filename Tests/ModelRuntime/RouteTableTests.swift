import MartletTypes
import NIOCore
import Telemetry
import TestSupport
import Testing

@testable import ModelRuntime

@Suite("The rules of routes")
struct RouteTableTests {
    private let slot: SlotName
    private let other: SlotName

    init() throws {
        slot = try SlotName("a")
        other = try SlotName("b")
    }

    private func route(_ generation: Int, of slot: SlotName? = nil) -> GatewayRoute {
        GatewayRoute(
            slot: slot ?? self.slot, generation: generation, release: .test(generation), socketPath: "/\(generation)")
    }

    private func table(_ count: Int = 3, bytes: Int = 100) -> RouteTable {
        RouteTable(queueBound: count, queueBytes: bytes)
    }

    @Test("requests stay with the generation that they were given to")
    func inFlight() {
        var table = table()
        #expect(table.admit(1, to: slot, byteCount: 1) == .unknown)
        #expect(table.set(route(1)) == [])
        #expect(table.admit(1, to: slot, byteCount: 1) == .forward(.init(route: route(1), epoch: 1)))
        _ = table.set(route(2))
        #expect(table.admit(2, to: slot, byteCount: 1) == .forward(.init(route: route(2), epoch: 2)))
        #expect(table.inFlight(.init(slot: slot, generation: 1)) == 1)
        #expect(table.isBusy)
        #expect(table.finished(1) == .init(slot: slot, generation: 1))
        #expect(table.finished(1) == nil)
        #expect(table.inFlight(.init(slot: slot, generation: 2)) == 1)
        #expect(table.isBusy)
        #expect(table.finished(2) == .init(slot: slot, generation: 2))
        #expect(!table.isBusy)
    }

    @Test("a parked slot lets requests wait and gives them back in order, once it has a route")
    func parking() {
        var table = table()
        table.park(slot)
        #expect(!table.isBusy)
        for request: UInt64 in [3, 1, 2] { #expect(table.admit(request, to: slot, byteCount: 1) == .wait) }
        #expect(table.isBusy, "one that waits is one to make way for")
        #expect(table.admit(9, to: slot, byteCount: 1) == .queueFull)
        #expect(table.unpark(slot) == [])
        #expect(table.set(route(1)) == [3, 1, 2])
        table.park(slot)
        #expect(table.admit(4, to: slot, byteCount: 1) == .wait)
        #expect(table.set(route(2)) == [])
        #expect(table.unpark(slot) == [4])
        #expect(table.slotStates.map(\.isServing) == [true])
    }

    @Test("a request that waited keeps its slot busy until it has asked again: its engine is not idle meanwhile")
    func returning() {
        var table = table()
        _ = table.set(route(1))
        #expect(table.rest(slot) == false)
        for request: UInt64 in [1, 2] { #expect(table.admit(request, to: slot, byteCount: 1) == .wait) }
        #expect(table.unpark(slot) == [1, 2])
        #expect(table.isBusy(slot) && table.isBusy && !table.isBusy(other))
        #expect(table.admit(1, to: slot, byteCount: 1) == .forward(.init(route: route(1), epoch: 1)))
        #expect(table.finished(1) == .init(slot: slot, generation: 1))
        #expect(table.isBusy(slot))
        // Its client has gone before it asked again.
        let didWait = table.leave(2, slot: slot)
        #expect(!didWait)
        #expect(!table.isBusy(slot) && !table.isBusy)
    }

    @Test("waiting requests share a bound of bytes, which those that leave give back")
    func bytes() {
        var table = table(10, bytes: 100)
        table.park(slot)
        table.park(other)
        #expect(table.admit(1, to: slot, byteCount: 60) == .wait)
        #expect(table.admit(2, to: other, byteCount: 60) == .queueFull)
        let left = [table.leave(1, slot: slot), table.leave(1, slot: slot)]
        #expect(left == [true, false])
        #expect(table.admit(2, to: other, byteCount: 60) == .wait)
        #expect(table.remove(other) == [2])
        #expect(table.admit(3, to: slot, byteCount: 100) == .wait)
    }

    @Test("slots do not touch each other")
    func slots() {
        var table = table()
        _ = table.set(route(1))
        _ = table.set(route(7, of: other))
        table.park(slot)
        #expect(table.admit(1, to: slot, byteCount: 1) == .wait)
        guard case .forward = table.admit(2, to: other, byteCount: 1) else {
            Issue.record("the other slot does not serve")
            return
        }
        #expect(table.slotStates.map(\.slot) == [slot, other] && table.slotStates.map(\.isServing) == [false, true])
    }

    @Test(
        "tokens are read from the end of what llama.cpp answers",
        arguments: [
            (
                #"{"usage":{"completion_tokens":4,"prompt_tokens":24},"timings":{"predicted_n":4,"predicted_ms":0.5}}"#,
                24, 4
            ),
            (
                #"data: {"timings":{"cache_n":23,"prompt_n":1,"predicted_n":5,"predicted_ms":1}}"#
                    + "\n\ndata: [DONE]\n\n", 24, 5
            ),
            (#"{"usage":{"prompt_tokens": 7 , "completion_tokens": 2}}"#, 7, 2),
            (#"{"content":"\"prompt_tokens\":99,\"completion_tokens\":99"}"#, nil, nil), ("", nil, nil),
            (#"{"usage":{"prompt_tokens":null}}"#, nil, nil),
        ] as [(String, Double?, Double?)])
    func figures(text: String, input: Double?, output: Double?) {
        for size in [1, 7, 10_000] {
            var figures = AnswerFigures()
            figures.take(ByteBuffer(string: String(repeating: "x", count: 9000)))
            var rest = ByteBuffer(string: text)
            while rest.readableBytes > 0, let piece = rest.readSlice(length: min(size, rest.readableBytes)) {
                figures.take(piece)
            }
            #expect(figures.inputTokens == input && figures.outputTokens == output, "pieces of \(size)")
        }
    }

    @Test("comments of an event stream are no data")
    func streamData() {
        #expect(!AnswerFigures.hasData(ByteBuffer(string: ": ping\n\n")))
        #expect(AnswerFigures.hasData(ByteBuffer(string: ": ping\n\ndata: {}\n\n")))
        #expect(AnswerFigures.hasData(ByteBuffer(string: "data: {}\n\n")))
    }
}
