import Foundation
import MartletTypes
import ModelRuntime
import NIOHTTP1
import TestSupport
import Testing

@Suite("Listening")
struct GatewayListeningTests {
    private static let good = ScriptedEngine.json(#"{"ok":true}"#)

    private func failure(_ configuration: GatewayConfiguration) async -> RuntimeError? {
        let gateway = Gateway(configuration: configuration, clock: wallClock)
        let running = Task { try await gateway.run() }
        let seen = await #expect(throws: RuntimeError.self) { try await gateway.boundPort }
        await #expect(throws: RuntimeError.self) { try await running.value }
        return seen
    }

    @Test("a port that another program has is a clear error")
    func portInUse() async throws {
        try await withGateway { _, port in
            let error = await failure(GatewayConfiguration(port: port))
            #expect(error?.code == "portInUse" && error?.message.contains("\(port)") == true && error?.remedy != "")
        }
    }

    @Test("an address beyond this machine demands keys", arguments: ["0.0.0.0", "::", "192.0.2.1", "127.evil.example"])
    func keysRequired(host: String) async {
        #expect(await failure(GatewayConfiguration(host: host, port: 0))?.code == "keysRequired")
    }

    @Test("with keys it listens on every address")
    func withKeys() async throws {
        try await withGateway(GatewayConfiguration(host: "0.0.0.0", port: 0, apiKeys: ["k"])) { _, port in
            let stranger = try await GatewayClient.connect(port: port)
            #expect(try await stranger.ask(.GET, "/health").status == 401)
            let client = try await GatewayClient.connect(port: port)
            #expect(try await client.ask(.GET, "/health", headers: ["authorization": "Bearer k"]).status == 200)
            await client.close()
        }
    }

    @Test("an address that is not this machine's is a clear error")
    func foreignAddress() async {
        let error = await failure(GatewayConfiguration(host: "192.0.2.1", port: 0, apiKeys: ["k"]))
        #expect(error?.code == "cannotListen")
    }

    @Test("the UNIX socket needs no key and no host, and replaces one that a dead gateway left")
    func unixSocket() async throws {
        let folder = try TemporaryFolder("rt")
        let path = folder.file("gateway.sock")
        let configuration = GatewayConfiguration(port: 0, unixSocketPath: path, apiKeys: ["k"])
        let other = ScriptedEngine { _ in [] }
        try await other.listen(path)
        #expect(await failure(configuration)?.code == "portInUse")
        try await other.stop()
        for _ in 1...2 {
            try await withGateway(configuration) { _, _ in
                let client = try await GatewayClient.connect(socketPath: path)
                #expect(try await client.ask(.GET, "/health", headers: ["host": "anything"]).status == 200)
                await client.close()
            }
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test("a socket path that does not fit, or is a file, is a clear error")
    func badSocketPath() async throws {
        let folder = try TemporaryFolder("rt")
        let long = folder.file(String(repeating: "x", count: 100))
        #expect(await failure(GatewayConfiguration(port: 0, unixSocketPath: long))?.code == "socketPathTooLong")
        try "text".write(toFile: folder.file("file"), atomically: true, encoding: .utf8)
        #expect(await failure(GatewayConfiguration(port: 0, unixSocketPath: folder.file("file")))?.code == "portInUse")
        #expect(try String(contentsOfFile: folder.file("file"), encoding: .utf8) == "text")
        let nowhere = GatewayConfiguration(port: 0, unixSocketPath: "/nonexistent/x.sock")
        #expect(await failure(nowhere)?.code == "cannotListen")
    }

    @Test("a gateway that stops lets an open answer end and then takes nothing more")
    func gracefulEnd() async throws {
        let folder = try TemporaryFolder("rt")
        let engine = ScriptedEngine { _ in [.send(ScriptedEngine.streamHead + ScriptedEngine.chunk("data: 1\n\n"))] }
        try await engine.listen(folder.file("1.sock"))
        let gateway = Gateway(configuration: GatewayConfiguration(port: 0), clock: wallClock)
        let running = Task { try await gateway.run() }
        let port = try await gateway.boundPort
        await gateway.setRoute(
            slot: try SlotName("triage"), generation: 1, release: .test(1), socketPath: folder.file("1.sock"))
        let idle = try await GatewayClient.connect(port: port)
        #expect(try await idle.ask(.GET, "/health").status == 200)
        let busy = try await GatewayClient.connect(port: port)
        let stream = Task { try await busy.ask(body: Question.chat(stream: true)) }
        try await eventually(within: 20, "the stream is open") { engine.requests.count == 1 }
        running.cancel()
        try await eventually(within: 20, "nothing more is taken") {
            do {
                let client = try await GatewayClient.connect(port: port)
                await client.close()
                return false
            } catch {
                return true
            }
        }
        engine.goOn(ScriptedEngine.chunk("data: [DONE]\n\n") + "0\r\n\r\n")
        let answer = try await stream.value
        #expect(answer.isWhole && answer.text.hasSuffix("data: [DONE]\n\n"))
        try await running.value
        await #expect(throws: (any Error).self) { try await idle.ask(.GET, "/health") }
        try await engine.stop()
    }

    @Test("what is still open at the end's deadline is cut")
    func endDeadline() async throws {
        let folder = try TemporaryFolder("rt")
        let engine = ScriptedEngine { _ in [] }
        try await engine.listen(folder.file("1.sock"))
        let gateway = Gateway(
            configuration: GatewayConfiguration(port: 0, drainDeadline: .milliseconds(50)), clock: wallClock)
        let running = Task { try await gateway.run() }
        let client = try await GatewayClient.connect(port: try await gateway.boundPort)
        await gateway.setRoute(
            slot: try SlotName("triage"), generation: 1, release: .test(1), socketPath: folder.file("1.sock"))
        let open = Task { try await client.ask(body: Question.chat()) }
        try await eventually(within: 20, "the request is open") { engine.requests.count == 1 }
        running.cancel()
        try await running.value
        #expect(try await open.value.isWhole == false)
        try await eventually(within: 20, "the engine's connection is closed") { engine.closed == 1 }
        try await engine.stop()
    }

    @Test("connections beyond the bound wait until there is room")
    func connectionBound() async throws {
        try await FaultScene.run({ _ in [.send(Self.good)] }, configure: { $0.connections = 2 }) { scene in
            var held: [GatewayClient] = []
            for _ in 1...2 {
                let client = try await GatewayClient.connect(port: scene.port)
                #expect(try await client.ask(body: Question.chat()).status == 200)
                held.append(client)
            }
            let waiting = Task { try await scene.ask() }
            #expect(try await held[0].ask(body: Question.chat()).status == 200)
            await held.removeFirst().close()
            #expect(try await waiting.value.status == 200)
            await held[0].close()
        }
    }

    @Test("a client that is silent within its request is let go")
    func silentClient() async throws {
        try await FaultScene.run({ _ in [] }, configure: { $0.clientSilence = .milliseconds(100) }) { scene in
            let client = try await GatewayClient.connect(port: scene.port)
            // Comes back when the connection ends, which may be before the request was sent.
            let answer = try? await client.ask(.PUT, "/v1/models", headers: ["content-length": "100"])
            #expect(answer?.isWhole != true)
        }
    }
}
