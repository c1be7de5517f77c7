import Foundation
import MartletTypes
import ModelRuntime
import Synchronization
import Telemetry
import TestSupport
import Testing

/// A gateway before a scripted engine, and a client.
struct FaultScene: Sendable {
    let folder: TemporaryFolder
    let slot: SlotName
    let engine: ScriptedEngine
    let gateway: Gateway
    let port: Int

    static func run(
        _ script: @escaping @Sendable (Int) -> [ScriptedEngine.Step],
        configure: (inout GatewayConfiguration) -> Void = { _ in },
        _ body: @Sendable @escaping (FaultScene) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder("rt")
        let engine = ScriptedEngine(script)
        try await engine.listen(folder.file("1.sock"))
        var configuration = GatewayConfiguration(port: 0)
        configure(&configuration)
        let slot = try SlotName("triage")
        try await withGateway(configuration) { gateway, port in
            let scene = FaultScene(folder: folder, slot: slot, engine: engine, gateway: gateway, port: port)
            await scene.route(1)
            try await body(scene)
        }
        try await engine.stop()
    }

    func route(_ generation: Int, keepsAlive: Bool = false) async {
        await gateway.setRoute(
            slot: slot, generation: generation, release: .test(generation),
            socketPath: folder.file("\(generation).sock"), keepsAlive: keepsAlive)
    }

    /// How often requests were sent once more since the last call.
    var replays: UInt64 {
        get async throws { await gateway.takeMeasurements().map(\.replayed).reduce(0, +) }
    }

    func ask(_ body: String = Question.chat()) async throws -> GatewayAnswer {
        let client = try await GatewayClient.connect(port: port)
        let answer = try await client.ask(body: body)
        await client.close()
        return answer
    }
}

@Suite("Engines that fail")
struct GatewayFaultTests {
    private static let good = ScriptedEngine.json(#"{"ok":true}"#)

    @Test(
        "a request whose engine dies before it answered is asked for again",
        arguments: [
            [], [.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")],
            [.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")],
            [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")], [.send("HTTP/1.1 2")],
        ] as [[ScriptedEngine.Step]])
    func replay(before: [ScriptedEngine.Step]) async throws {
        try await FaultScene.run({ $0 <= 2 ? before + [.close] : [.send(Self.good)] }) { scene in
            let answer = try await scene.ask()
            #expect(answer.status == 200 && answer.text == #"{"ok":true}"#)
            #expect(scene.engine.requests.count == 3)
            #expect(Set(scene.engine.requests).count == 1)
            let interval = try #require(await scene.gateway.takeMeasurements().first)
            #expect(interval.replayed == 2 && interval.requests == 1 && interval.errors.isEmpty)
        }
    }

    @Test("a request that ends every engine is given up after the bound")
    func poison() async throws {
        try await FaultScene.run({ _ in [.close] }) { scene in
            let answer = try await scene.ask()
            #expect(answer.status == 502 && answer.text.contains("engine_gone"))
            #expect(scene.engine.requests.count == 3)
            let interval = try #require(await scene.gateway.takeMeasurements().first)
            #expect(interval.errors == ["engine_gone": 1] && interval.requests == 1)
        }
    }

    @Test("a stream that has begun and breaks ends with an error event and no end of the body")
    func streamBreaks() async throws {
        let begun = ScriptedEngine.streamHead + ScriptedEngine.chunk("data: {\"x\":1}\n\n")
        try await FaultScene.run({ _ in [.send(begun), .close] }) { scene in
            let answer = try await scene.ask(Question.chat(stream: true))
            #expect(answer.status == 200 && !answer.isWhole)
            #expect(answer.text.hasPrefix("data: {\"x\":1}\n\ndata: {\"error\":"))
            #expect(scene.engine.requests.count == 1)
            let interval = try #require(await scene.gateway.takeMeasurements().first)
            #expect(interval.errors == ["engine_gone": 1])
        }
    }

    @Test(
        "garbage from an engine is asked for again, then given up, and never passed on",
        arguments: [
            "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "SSH-2.0-OpenSSH\r\n",
        ])
    func garbage(text: String) async throws {
        try await FaultScene.run({ _ in [.send(text), .close] }) { scene in
            let answer = try await scene.ask()
            #expect(answer.status == 502 && answer.isWhole)
            #expect(!answer.text.contains("garbage"))
        }
    }

    @Test("an engine that is not ready, or not there, is tried again until it is")
    func notReady() async throws {
        let loading = ScriptedEngine.json("{}", status: "503 Service Unavailable")
        try await FaultScene.run({ $0 <= 2 ? [.send(loading), .close] : [.send(Self.good)] }) { scene in
            #expect(try await scene.ask().status == 200)
            // The next route has no listener yet.
            await scene.route(2)
            async let answer = scene.ask()
            try await eventually(within: 20, "the request is open") {
                await scene.gateway.inFlight(scene.slot, generation: 1) == 0
            }
            let late = ScriptedEngine { _ in [.send(Self.good)] }
            try await late.listen(scene.folder.file("2.sock"))
            #expect(try await answer.status == 200)
            try await late.stop()
        }
    }

    @Test("an engine that never comes is refused with Retry-After when the time to wait is over")
    func neverReady() async throws {
        try await FaultScene.run({ _ in [] }, configure: { $0.maxPark = .milliseconds(200) }) { scene in
            await scene.route(2)
            let answer = try await scene.ask()
            #expect(answer.status == 503 && answer.headers["retry-after"] == "1")
            let interval = try #require(await scene.gateway.takeMeasurements().first)
            #expect(interval.refused == 1 && interval.requests == 0)
        }
    }

    @Test("an engine that is silent is given up with 504, in a stream with an error event", arguments: [false, true])
    func silent(hasBegun: Bool) async throws {
        let begun = ScriptedEngine.streamHead + ScriptedEngine.chunk("data: 1\n\n")
        try await FaultScene.run(
            { _ in hasBegun ? [.send(begun)] : [] }, configure: { $0.engineSilence = .seconds(3) }
        ) { scene in
            let answer = try await scene.ask(Question.chat(stream: true))
            #expect(hasBegun ? !answer.isWhole && answer.text.contains("engine_silent") : answer.status == 504)
            try await eventually(within: 20, "the engine's connection is closed") { scene.engine.closed == 1 }
        }
    }

    @Test("an engine that is silent in all its answers hangs; one that brings something in another is busy")
    func hangs() async throws {
        // The first request is silent whatever comes meanwhile; then those after the others.
        let isSilent = Mutex(false)
        try await FaultScene.run(
            { $0 == 1 || isSilent.withLock { $0 } ? [] : [.send(Self.good)] },
            configure: { $0.engineSilence = .seconds(6) }
        ) { scene in
            let first = Task { try await scene.ask().status }
            try await eventually(within: 20, "the engine has the request") { scene.engine.requests.count == 1 }
            let isOver = Mutex(false)
            let others = Task {
                while !isOver.withLock({ $0 }) {
                    let answer = try await scene.ask()
                    #expect(answer.status == 200)
                }
            }
            #expect(try await first.value == 504)
            isOver.withLock { $0 = true }
            try await others.value
            #expect(await !scene.gateway.takeHung(scene.slot, generation: 1), "it works at other answers")
            isSilent.withLock { $0 = true }
            #expect(try await scene.ask().status == 504)
            #expect(await scene.gateway.takeHung(scene.slot, generation: 1))
            #expect(await !scene.gateway.takeHung(scene.slot, generation: 1), "it is told once")
            #expect(await !scene.gateway.takeHung(scene.slot, generation: 2))
        }
    }

    @Test("an engine that hung in its answers and answers again does not count as one that hangs")
    func recovers() async throws {
        try await FaultScene.run(
            { $0 == 1 ? [] : [.send(Self.good)] }, configure: { $0.engineSilence = .seconds(1) }
        ) { scene in
            let (silent, good) = (try await scene.ask(), try await scene.ask())
            #expect(silent.status == 504 && good.status == 200)
            #expect(await !scene.gateway.takeHung(scene.slot, generation: 1))
        }
    }

    @Test("a client that goes away ends its request at the engine")
    func clientLeaves() async throws {
        let begun = ScriptedEngine.streamHead + ScriptedEngine.chunk("data: 1\n\n")
        try await FaultScene.run({ $0 == 1 ? [.send(begun)] : [] }) { scene in
            for number in 1...2 {
                let client = try await GatewayClient.connect(port: scene.port)
                let asking = Task { try await client.ask(body: Question.chat(stream: true)) }
                try await eventually(within: 20, "the engine has the request") { scene.engine.requests.count == number }
                await client.close()
                _ = try await asking.value
                try await eventually(within: 20, "the engine's connection is closed") { scene.engine.closed == number }
            }
            let interval = try #require(await scene.gateway.takeMeasurements().first)
            #expect(interval.abandoned == 2 && interval.requests == 0)
            #expect(await scene.gateway.inFlight(scene.slot, generation: 1) == 0)
        }
    }

    @Test("an engine is read only as fast as the client takes its answer")
    func backPressure() async throws {
        let piece = ScriptedEngine.chunk(String(repeating: "x", count: 65_536))
        try await FaultScene.run({ _ in [.send(ScriptedEngine.streamHead), .sendForEver(piece)] }) { scene in
            let client = try await GatewayClient.connect(port: scene.port)
            let asking = Task { try await client.ask(body: Question.chat(stream: true)) }
            try await eventually(within: 20, "the answer flows") { scene.engine.sentBytes > 1_000_000 }
            try await client.setReading(false)
            let last = Mutex((bytes: -1, same: 0))
            try await eventually(within: 60, "the engine is no longer read") {
                let sent = scene.engine.sentBytes
                return last.withLock { last in
                    last = (sent, last.bytes == sent ? last.same + 1 : 0)
                    return last.same >= 10
                }
            }
            let before = scene.engine.sentBytes
            try await client.setReading(true)
            try await eventually(within: 20, "the answer flows again") { scene.engine.sentBytes > before + 10_000_000 }
            await client.close()
            _ = try await asking.value
        }
    }

    @Test("a drain that reaches its deadline cuts what has begun and asks for the rest again")
    func drainDeadline() async throws {
        let begun = ScriptedEngine.streamHead + ScriptedEngine.chunk("data: 1\n\n")
        try await FaultScene.run({ $0 == 1 ? [.send(begun)] : [] }) { scene in
            let next = ScriptedEngine { _ in [.send(Self.good)] }
            try await next.listen(scene.folder.file("2.sock"))
            let client = try await GatewayClient.connect(port: scene.port)
            let pieces = Mutex(0)
            let stream = Task {
                try await client.ask(body: Question.chat(stream: true)) { pieces.withLock { $0 += 1 } }
            }
            try await eventually(within: 20, "the stream has begun") { pieces.withLock { $0 } > 0 }
            let silent = Task { try await scene.ask() }
            try await eventually(within: 20, "both are open") { scene.engine.requests.count == 2 }
            await scene.route(2)
            #expect(await scene.gateway.inFlight(scene.slot, generation: 1) == 2)
            let result = await scene.gateway.drain(scene.slot, generation: 1, deadline: .milliseconds(100))
            #expect(result.cutStreams == 1)
            #expect(await scene.gateway.inFlight(scene.slot, generation: 1) == 0)
            let (cut, answered) = try await (stream.value, silent.value)
            #expect(!cut.isWhole && cut.text.contains("drain_deadline"))
            #expect(answered.status == 200 && next.requests.count == 1)
            let intervals = await scene.gateway.takeMeasurements()
            #expect(intervals.map(\.cutStreams) == [1, 0])
            #expect(intervals.last?.requests == 1 && intervals.last?.errors.isEmpty == true)
            try await next.stop()
        }
    }

    @Test("draining a generation that has nothing open ends at once, a cancelled one as well")
    func emptyDrain() async throws {
        try await FaultScene.run({ _ in [] }) { scene in
            #expect(await scene.gateway.drain(scene.slot, generation: 1, deadline: .seconds(600)).cutStreams == 0)
            let open = Task { try await scene.ask() }
            try await eventually(within: 20, "the request is open") { scene.engine.requests.count == 1 }
            let drain = Task { await scene.gateway.drain(scene.slot, generation: 1, deadline: .seconds(600)) }
            await scene.gateway.park(scene.slot)
            drain.cancel()
            #expect(await drain.value.cutStreams == 0)
            await scene.gateway.removeRoute(scene.slot)
            #expect(try await open.value.status == 404)
        }
    }
}
