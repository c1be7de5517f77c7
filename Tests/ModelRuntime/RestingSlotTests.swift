import MartletTypes
import NIOHTTP1
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import ModelRuntime

@Suite("Requests for slots that rest")
struct RestingSlotTests {
    private let slot: SlotName

    init() throws { slot = try SlotName("triage") }

    private func json(_ model: String = "triage") -> String {
        #"{"model":"\#(model)","messages":[{"role":"user","content":"hi"}]}"#
    }

    @Test("A request wakes the slot, waits, and is answered by what was started for it")
    func wakes() async throws {
        let engine = ScriptedEngine { _ in [.send(ScriptedEngine.json(#"{"ok":true}"#))] }
        let folder = try TemporaryFolder("rest")
        try await engine.listen(folder.file("e.sock"))
        let slot = slot
        try await withGateway { gateway, port in
            let demands = Mutex(0)
            gateway.rest(slot) {
                demands.withLock { $0 += 1 }
                Task {
                    await gateway.setRoute(
                        slot: slot, generation: 1, release: .test(1), socketPath: folder.file("e.sock"))
                    await gateway.unpark(slot)
                }
            }
            let client = try await GatewayClient.connect(port: port)
            let health = try await client.ask(.GET, "/health")
            #expect(health.text.contains(#""triage":"resting""#), "\(health.text)")
            #expect(demands.withLock { $0 } == 0)
            #expect(gateway.idleTime(slot) != nil)
            let answer = try await client.ask(body: json())
            #expect(answer.status == 200 && answer.text == #"{"ok":true}"#)
            #expect(demands.withLock { $0 } == 1)
            // It runs now: the next one wakes nobody.
            _ = try await client.ask(body: json())
            #expect(demands.withLock { $0 } == 1)
            #expect(try await client.ask(.GET, "/health").text.contains(#""triage":"serving""#))
            await client.close()
        }
        try await engine.stop()
    }

    @Test("Waited longer than allowed, it is told why and when to come again")
    func tooLong() async throws {
        let slot = slot
        try await withGateway(GatewayConfiguration(port: 0, maxPark: .milliseconds(300))) { gateway, port in
            gateway.rest(slot) {
                gateway.note(WaitNotice("Memory is with billing.", retryAfterSeconds: 7), of: slot)
            }
            let client = try await GatewayClient.connect(port: port)
            let answer = try await client.ask(body: json())
            #expect(answer.status == 503 && answer.headers["retry-after"] == "7")
            #expect(answer.text.contains("slot_not_started") && answer.text.contains("Memory is with billing."))
            let refused = await gateway.takeMeasurements().map(\.refused).reduce(0, +)
            #expect(refused == 1)
            await client.close()
        }
    }

    @Test("Where waiting helps nothing, who waits and who comes is refused at once")
    func hopeless() async throws {
        let slot = slot
        try await withGateway { gateway, port in
            gateway.rest(slot) { gateway.note(WaitNotice("There is no room.", isHopeless: true), of: slot) }
            for _ in 0..<2 {
                let client = try await GatewayClient.connect(port: port)
                let answer = try await client.ask(body: json())
                #expect(answer.status == 503 && answer.text.contains("There is no room."))
                await client.close()
            }
        }
    }

    @Test("The queue of a resting slot is bounded")
    func bounded() {
        var table = RouteTable(queueBound: 2, queueBytes: 100)
        let isWaitedFor = table.rest(slot)
        #expect(!isWaitedFor)
        #expect(table.admit(1, to: slot, byteCount: 1) == .wait)
        #expect(table.isResting(slot) && table.isWaitedFor(slot))
        #expect(table.admit(2, to: slot, byteCount: 1) == .wait)
        #expect(table.admit(3, to: slot, byteCount: 1) == .queueFull)
        let isStillWaitedFor = table.rest(slot)
        #expect(isStillWaitedFor)
        // Told that it is hopeless, they leave the queue, and a later note lets others wait again.
        #expect(table.note(WaitNotice("no", isHopeless: true), of: slot) == [1, 2])
        #expect(table.admit(4, to: slot, byteCount: 1) == .refused(WaitNotice("no", isHopeless: true)))
        #expect(table.note(WaitNotice("soon"), of: slot) == [])
        #expect(table.admit(5, to: slot, byteCount: 100) == .wait)
    }

    @Test("A generation settles when its answers are over; one that goes on is not cut")
    func settles() async throws {
        let engine = ScriptedEngine { _ in
            [.send(ScriptedEngine.streamHead + ScriptedEngine.chunk("data: 1\n\n"))]
        }
        let folder = try TemporaryFolder("rest")
        try await engine.listen(folder.file("e.sock"))
        let slot = slot
        try await withGateway { gateway, port in
            await gateway.setRoute(slot: slot, generation: 1, release: .test(1), socketPath: folder.file("e.sock"))
            let client = try await GatewayClient.connect(port: port)
            async let answer = client.ask(body: json())
            try await eventually(within: 20, "the answer has begun") { engine.requests.count == 1 }
            #expect(await !gateway.settle(slot, generation: 1, within: .milliseconds(50)))
            async let settled = gateway.settle(slot, generation: 1, within: .seconds(60))
            engine.goOn(ScriptedEngine.chunk("data: [DONE]\n\n") + "0\r\n\r\n")
            #expect(await settled)
            #expect(try await answer.isWhole)
            await client.close()
        }
        try await engine.stop()
    }
}
