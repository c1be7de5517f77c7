import Foundation
import MartletTypes
import ModelRuntime
import NIOCore
import Synchronization
import Telemetry
import TestSupport
import Testing

@Suite("Connections to engines that are kept")
struct KeptConnectionTests {
    private static let good = ScriptedEngine.json(#"{"ok":true}"#)
    private static let stream =
        ScriptedEngine.streamHead + ScriptedEngine.chunk("data: 1\n\n") + ScriptedEngine.chunk("data: [DONE]\n\n")
        + "0\r\n\r\n"

    /// A scene whose engine's connections are kept.
    private func scene(
        _ script: @escaping @Sendable (Int) -> [ScriptedEngine.Step],
        configure: (inout GatewayConfiguration) -> Void = { _ in },
        _ body: @Sendable @escaping (FaultScene) async throws -> Void
    ) async throws {
        try await FaultScene.run(script, configure: configure) { scene in
            await scene.route(1, keepsAlive: true)
            try await body(scene)
        }
    }

    private func isGood(_ answer: GatewayAnswer) -> Bool { answer.status == 200 && answer.isWhole }

    /// Asks once and expects a whole answer.
    private func good(_ scene: FaultScene) async throws {
        let answer = try await scene.ask()
        #expect(isGood(answer))
    }

    @Test("requests one after the other go over one connection")
    func reuse() async throws {
        try await scene({ _ in [.send(Self.good)] }) { scene in
            for _ in 1...6 { try await good(scene) }
            #expect(scene.engine.requests.count == 6 && scene.engine.accepted == 1)
            #expect(scene.engine.requests.allSatisfy { !$0.lowercased().contains("connection: close") })
        }
    }

    @Test("a stream is the last answer on its connection, whatever the engine says")
    func stream() async throws {
        try await scene({ [.send($0 == 2 ? Self.stream : Self.good)] }) { scene in
            try await good(scene)
            let answer = try await scene.ask(Question.chat(stream: true))
            #expect(isGood(answer) && answer.text.hasSuffix("data: [DONE]\n\n"))
            try await eventually(within: 20, "the connection is closed") { scene.engine.closed == 1 }
            try await good(scene)
            #expect(scene.engine.accepted == 2)
        }
    }

    @Test("an engine that is not known to bear it has one request for each connection, and is told so")
    func unknownEngine() async throws {
        try await FaultScene.run({ _ in [.send(Self.good)] }) { scene in
            for _ in 1...3 { try await good(scene) }
            #expect(scene.engine.accepted == 3)
            #expect(scene.engine.requests.allSatisfy { $0.lowercased().contains("connection: close") })
            try await eventually(within: 20, "all are closed") { scene.engine.closed == 3 }
        }
    }

    @Test(
        "an answer after which the engine closes, or whose end nobody can tell, is the last on its connection",
        arguments: [
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2, max=100\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=soon\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}",
        ])
    func lastAnswer(text: String) async throws {
        try await scene({ $0 == 1 ? [.send(text)] : [.send(Self.good)] }) { scene in
            try await good(scene)
            try await eventually(within: 20, "the connection is closed") { scene.engine.closed == 1 }
            try await good(scene)
        }
    }

    @Test("an answer without a length ends with its connection, which is not kept")
    func noLength() async throws {
        try await scene({ $0 == 1 ? [.send("HTTP/1.1 200 OK\r\n\r\n{}"), .close] : [.send(Self.good)] }) { scene in
            let answer = try await scene.ask()
            #expect(isGood(answer) && answer.text == "{}")
            try await good(scene)
            #expect(scene.engine.requests.count == 2)
            let replays = try await scene.replays
            #expect(replays == 0)
        }
    }

    @Test("a connection that the engine closed while it was idle is replaced unseen")
    func closedWhileIdle() async throws {
        try await scene({ _ in [.send(Self.good)] }) { scene in
            for number in 1...4 {
                try await good(scene)
                // Whether the gateway hears of it before or after the next request is left to chance.
                scene.engine.goOn("", close: true)
                if number == 2 { try await eventually(within: 20, "closed") { scene.engine.openCount == 0 } }
            }
            #expect(scene.engine.requests.count >= 4)
        }
    }

    @Test("a request that finds its kept connection dead is sent once more, on a new one, and only while none answers")
    func deadConnection() async throws {
        // The second request reaches the engine on the kept connection, which ends without a byte.
        try await scene({ $0 == 2 ? [.close] : [.send(Self.good)] }) { scene in
            for _ in 1...2 { try await good(scene) }
            #expect(scene.engine.requests.count == 3 && scene.engine.accepted == 2)
            let replays = try await scene.replays
            #expect(replays == 1)
        }
    }

    @Test("a request that ends every engine is given up after as many as without kept connections")
    func poison() async throws {
        try await scene({ $0 == 1 ? [.send(Self.good)] : [.close] }) { scene in
            try await good(scene)
            #expect(try await scene.ask().status == 502)
            #expect(scene.engine.requests.count == 4)
        }
    }

    @Test("a stream that breaks on a kept connection is broken off, never asked for again")
    func streamBreaks() async throws {
        let begun = ScriptedEngine.streamHead + ScriptedEngine.chunk("data: 1\n\n")
        try await scene({ $0 == 2 ? [.send(begun), .close] : [.send(Self.good)] }) { scene in
            try await good(scene)
            let answer = try await scene.ask(Question.chat(stream: true))
            #expect(!answer.isWhole && scene.engine.requests.count == 2 && scene.engine.accepted == 1)
            try await good(scene)
            #expect(scene.engine.accepted == 2)
        }
    }

    @Test(
        "what an engine says behind an answer is no client's answer",
        arguments: [ScriptedEngine.json(#"{"stolen":true}"#), "garbage\r\n\r\n", "{}"])
    func unsolicited(text: String) async throws {
        try await scene({ $0 == 1 ? [.send(Self.good + text)] : [.send(Self.good)] }) { scene in
            let client = try await GatewayClient.connect(port: scene.port)
            for _ in 1...3 { #expect(try await client.ask(body: Question.chat()).text == #"{"ok":true}"#) }
            await client.close()
            #expect(scene.engine.accepted == 2)
        }
    }

    @Test("a client that leaves in mid-answer takes its connection with it")
    func clientLeaves() async throws {
        let begun = ScriptedEngine.streamHead + ScriptedEngine.chunk("data: 1\n\n")
        try await scene({ $0 == 2 ? [.send(begun)] : [.send(Self.good)] }) { scene in
            try await good(scene)
            let client = try await GatewayClient.connect(port: scene.port)
            let asking = Task { try await client.ask(body: Question.chat(stream: true)) }
            try await eventually(within: 20, "the engine has the request") { scene.engine.requests.count == 2 }
            await client.close()
            _ = try await asking.value
            try await eventually(within: 20, "the connection is closed") { scene.engine.closed == 1 }
            try await good(scene)
            #expect(scene.engine.accepted == 2)
        }
    }

    @Test("few are kept, and none for longer than its time")
    func bounds() async throws {
        try await scene({ _ in [] }) { scene in
            let crowd = (1...5).map { _ in Task { try await scene.ask() } }
            try await eventually(within: 20, "all are open") { scene.engine.requests.count == 5 }
            scene.engine.goOn(Self.good)
            for asking in crowd { #expect(isGood(try await asking.value)) }
            try await eventually(within: 20, "what is too many is closed") { scene.engine.closed >= 3 }
            try await eventually(within: 20, "the others follow when their time is over") { scene.engine.closed == 5 }
        }
    }

    @Test(
        "before an engine is ended its idle connections are closed",
        arguments: ["drain", "settle", "park", "remove", "swap", "rest"])
    func leave(by way: String) async throws {
        try await scene({ _ in [.send(Self.good)] }) { scene in
            try await good(scene)
            #expect(scene.engine.openCount == 1)
            let (gateway, slot) = (scene.gateway, scene.slot)
            switch way {
            case "drain": _ = await gateway.drain(slot, generation: 1, deadline: .seconds(60))
            case "settle": _ = await gateway.settle(slot, generation: 1, within: .seconds(60))
            case "park": await gateway.park(slot)
            case "remove": await gateway.removeRoute(slot)
            case "swap": await scene.route(2, keepsAlive: true)
            default: gateway.rest(slot) {}
            }
            try await eventually(within: 1.5, "the connection is closed") { scene.engine.openCount == 0 }
        }
    }

    @Test("a connection that is answering while its slot goes elsewhere is closed after the answer")
    func swapWhileAnswering() async throws {
        try await scene({ $0 == 2 ? [] : [.send(Self.good)] }) { scene in
            try await good(scene)
            let asking = Task { try await scene.ask() }
            try await eventually(within: 20, "the request is open") { scene.engine.requests.count == 2 }
            await scene.route(2, keepsAlive: true)
            let drain = Task { await scene.gateway.drain(scene.slot, generation: 1, deadline: .seconds(60)) }
            scene.engine.goOn(Self.good)
            #expect(isGood(try await asking.value))
            #expect(await drain.value.cutStreams == 0)
            try await eventually(within: 1.5, "the connection is closed") { scene.engine.openCount == 0 }
        }
    }

    @Test("an engine's silence is counted from the request, not from the answer before")
    func silence() async throws {
        try await scene({ $0 == 1 ? [.send(Self.good)] : [] }, configure: { $0.engineSilence = .seconds(2) }) { scene in
            try await good(scene)
            let clock = ContinuousClock()
            let start = clock.now
            #expect(try await scene.ask().status == 504)
            #expect(clock.now - start >= .seconds(2))
            try await eventually(within: 20, "the connection is closed") { scene.engine.closed == 1 }
        }
    }

    @Test("a real engine answers many requests over a few connections, more than it takes on one")
    func realEngine() async throws {
        let scene = try await RuntimeScene()
        try await withGateway { gateway, port in
            let spec = scene.spec()
            let process = try await scene.ready(spec)
            await gateway.setRoute(
                slot: scene.slot, generation: 1, release: .test(1), socketPath: spec.socketPath, keepsAlive: true)
            let client = try await GatewayClient.connect(port: port)
            // llama-server closes a connection after its hundredth answer.
            for number in 1...120 {
                let answer = try await client.ask(body: Question.chat(stream: number.isMultiple(of: 3), tokens: 1))
                #expect(isGood(answer), "\(number): \(answer)")
            }
            await client.close()
            _ = await gateway.drain(scene.slot, generation: 1, deadline: .seconds(60))
            _ = await process.terminate(grace: .seconds(20))
            let interval = try #require(await gateway.takeMeasurements().first)
            #expect(interval.requests == 120 && interval.replayed == 0 && interval.errors.isEmpty)
        }
    }
}
