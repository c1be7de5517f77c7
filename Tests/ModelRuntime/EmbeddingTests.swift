import Foundation
import MartletTypes
import ModelRuntime
import NIOHTTP1
import Telemetry
import TestSupport
import Testing

/// Embeddings on a real engine, through the gateway.
@Suite("Embeddings", .serialized)
struct EmbeddingTests {
    private static let question = #"{"model":"triage","input":["I was charged twice","Where is my parcel?"]}"#

    private struct Answer: Decodable {
        struct Entry: Decodable {
            let index: Int
            let embedding: [Double]
        }

        let model: String
        let data: [Entry]
    }

    private static func ask(_ client: GatewayClient) async throws -> GatewayAnswer {
        try await client.ask(.POST, "/v1/embeddings", body: question)
    }

    private func spec(_ scene: RuntimeScene, _ generation: Int, _ pooling: Pooling?) -> EngineSpec {
        var spec = scene.spec(
            generation: generation, model: generation.isMultiple(of: 2) ? TinyModel.v2 : TinyModel.v1)
        spec.settings.pooling = pooling
        return spec
    }

    private func route(_ gateway: Gateway, _ spec: EngineSpec) async {
        await gateway.setRoute(
            slot: spec.slot, generation: spec.generation, release: .test(spec.generation), socketPath: spec.socketPath,
            embeds: spec.settings.pooling != nil)
    }

    @Test("a slot with a pooling answers embeddings and chats", arguments: Pooling.allCases)
    func both(pooling: Pooling) async throws {
        let scene = try await RuntimeScene()
        try await withGateway { gateway, port in
            let spec = spec(scene, 1, pooling)
            let process = try await scene.ready(spec)
            let engine = EngineClient(socketPath: spec.socketPath)
            #expect(await Prober().run([], client: engine, embeds: true) == .passed(count: 0))
            await route(gateway, spec)
            let client = try await GatewayClient.connect(port: port)
            let reply = try await Self.ask(client)
            #expect(reply.status == 200)
            let answer = try JSONDecoder().decode(Answer.self, from: Data(reply.body))
            #expect(answer.model == "triage" && answer.data.map(\.index) == [0, 1])
            #expect(answer.data.allSatisfy { $0.embedding.count == 256 })
            #expect(answer.data[0].embedding != answer.data[1].embedding)
            let again = try JSONDecoder().decode(Answer.self, from: Data(try await Self.ask(client).body))
            let difference = zip(answer.data[0].embedding, again.data[0].embedding).map { abs($0 - $1) }.max()
            #expect(try #require(difference) < 1e-3)
            let chat = try await client.ask(body: Question.chat())
            #expect(chat.status == 200 && chat.text.contains("\"content\":\"billing\""))
            await client.close()
            _ = await process.terminate(grace: .seconds(20))
        }
    }

    @Test("a slot without a pooling is told apart by the gateway, in the shape of the OpenAI API")
    func refused() async throws {
        let scene = try await RuntimeScene()
        try await withGateway { gateway, port in
            let spec = spec(scene, 1, nil)
            let process = try await scene.ready(spec)
            await route(gateway, spec)
            let client = try await GatewayClient.connect(port: port)
            let reply = try await Self.ask(client)
            #expect(reply.status == 400)
            let error = try JSONValue(parsing: reply.body)["error"]
            #expect(error?["code"]?.string == "embeddings_not_supported")
            #expect(error?["type"]?.string == "invalid_request_error" && error?["param"]?.string == "model")
            #expect(error?["message"]?.string?.contains("--pooling") == true)
            #expect(try await client.ask(body: Question.chat()).status == 200)
            let probe = await Prober().run([], client: EngineClient(socketPath: spec.socketPath), embeds: true)
            #expect(!probe.isPassed)
            // The refusal is the client's failure: it counts against no engine and keeps none from draining.
            let intervals = await gateway.takeMeasurements()
            #expect(intervals.map(\.requests) == [1] && intervals.allSatisfy { $0.errors.isEmpty })
            #expect(await gateway.inFlight(spec.slot, generation: 1) == 0)
            await client.close()
            _ = await process.terminate(grace: .seconds(20))
        }
    }

    @Test("what waited for a parked slot is answered by the generation that comes, with its pooling")
    func parked() async throws {
        let scene = try await RuntimeScene()
        try await withGateway { gateway, port in
            let before = spec(scene, 1, nil)
            await route(gateway, before)
            await gateway.park(scene.slot)
            let client = try await GatewayClient.connect(port: port)
            async let waiting = Self.ask(client)
            let next = spec(scene, 2, .mean)
            let process = try await scene.ready(next)
            await route(gateway, next)
            await gateway.unpark(scene.slot)
            #expect(try await waiting.status == 200)
            await client.close()
            _ = await process.terminate(grace: .seconds(20))
        }
    }

    @Test("no embedding and no chat fails while generations swap")
    func swaps() async throws {
        let scene = try await RuntimeScene()
        let (chats, embeddings) = (LoadCount(), LoadCount())
        try await withGateway { gateway, port in
            let first = spec(scene, 1, .mean)
            var process = try await scene.ready(first)
            await route(gateway, first)
            let crowd = [
                Task { await load(port: port, clients: 2, count: chats) },
                Task { await Self.embed(port: port, count: embeddings) },
            ]
            for generation in 2...5 {
                let goals = (chats.sent + 30, embeddings.sent + 30)
                try await eventually(within: 120, "more answers") {
                    chats.sent >= goals.0 && embeddings.sent >= goals.1
                }
                let next = spec(scene, generation, .mean)
                let candidate = try await scene.ready(next)
                await route(gateway, next)
                _ = await gateway.drain(scene.slot, generation: generation - 1, deadline: .seconds(60))
                _ = await process.terminate(grace: .seconds(20))
                process = candidate
            }
            for task in crowd {
                task.cancel()
                await task.value
            }
            _ = await process.terminate(grace: .seconds(20))
        }
        #expect(chats.failures.isEmpty && embeddings.failures.isEmpty)
        #expect(chats.sent >= 120 && embeddings.sent >= 120)
    }

    /// One client that asks for embeddings without pause.
    private static func embed(port: Int, count: LoadCount) async {
        var client: GatewayClient?
        while !Task.isCancelled {
            do {
                let connected = if let client { client } else { try await GatewayClient.connect(port: port) }
                client = connected
                let answer = try await ask(connected)
                let isGood = answer.status == 200 && answer.isWhole && answer.text.contains("\"embedding\":[")
                count.count(isGood ? nil : "\(answer.status): \(answer.text.suffix(200))")
            } catch {
                client = nil
                count.count("\(error)")
            }
        }
        await client?.close()
    }
}
