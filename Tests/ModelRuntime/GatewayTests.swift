import Foundation
import MartletTypes
import ModelRuntime
import NIOHTTP1
import Telemetry
import TestSupport
import Testing

@Suite("The gateway")
struct GatewayTests {
    private static let good = ScriptedEngine.json(#"{"ok":true}"#)
    private static let key = "k-123456"

    @Test("a real engine answers chats, completions, streams and lists through the gateway")
    func realEngine() async throws {
        let scene = try await RuntimeScene()
        try await withGateway { gateway, port in
            let spec = scene.spec()
            let process = try await scene.ready(spec)
            await gateway.setRoute(slot: scene.slot, generation: 1, release: .test(1), socketPath: spec.socketPath)
            let client = try await GatewayClient.connect(port: port)
            let chat = try await client.ask(body: Question.chat())
            #expect(chat.status == 200 && chat.text.contains("\"content\":\"billing\""))
            #expect(chat.text.contains("\"model\":\"triage\""))
            #expect(chat.headers["access-control-allow-origin"] == nil && chat.headers["server"] == nil)
            let stream = try await client.ask(body: Question.chat(stream: true))
            #expect(stream.headers["content-type"] == "text/event-stream" && stream.text.hasSuffix("data: [DONE]\n\n"))
            let body = #"{"model":"triage","prompt":"I was","max_tokens":4}"#
            #expect(try await client.ask(.POST, "/v1/completions", body: body).status == 200)
            let models = try JSONValue(parsing: try await client.ask(.GET, "/v1/models").body)
            #expect(models["data"]?.array?.compactMap { $0["id"]?.string } == ["triage"])
            #expect(try await client.ask(.GET, "/v1/models/triage").status == 200)
            let health = try JSONValue(parsing: try await client.ask(.GET, "/health").body)
            #expect(health["slots"]?["triage"]?.string == "serving")
            await client.close()
            _ = await process.terminate(grace: .seconds(20))
            let interval = try #require(await gateway.takeMeasurements().first)
            #expect(interval.timeToFirstToken.count == 1 && interval.outputTokens.count >= 2)
            #expect(await gateway.takeMeasurements().isEmpty)
        }
    }

    @Test(
        "what asks for no slot is refused in the shape of the OpenAI API",
        arguments: [
            (.POST, "/v1/chat/completions", Question.chat(model: "other"), 404, "model_not_found"),
            (.POST, "/v1/chat/completions", Question.chat(model: "../x"), 404, "model_not_found"),
            (.POST, "/v1/chat/completions", "{}", 400, "model_missing"),
            (.POST, "/v1/chat/completions", "[]", 400, "model_missing"),
            (.POST, "/v1/chat/completions", #"{"model":1}"#, 400, "model_missing"),
            (.POST, "/v1/chat/completions", #"{"model":null}"#, 400, "model_missing"),
            (.POST, "/v1/chat/completions", "{", 400, "invalid_json"),
            (.POST, "/v1/chat/completions", "", 400, "invalid_json"),
            (.GET, "/v1/chat/completions", "", 405, "method_not_allowed"),
            (.POST, "/v1/models", "{}", 405, "method_not_allowed"),
            (.GET, "/v1/models/other", "", 404, "model_not_found"),
            (.POST, "/v1/files", "{}", 404, "not_found"), (.GET, "/slots", "", 404, "not_found"),
            (.GET, "/v1/models/../../health", "", 404, "model_not_found"), (.GET, "/", "", 404, "not_found"),
        ] as [(HTTPMethod, String, String, Int, String)])
    func refusals(method: HTTPMethod, path: String, body: String, status: Int, code: String) async throws {
        try await FaultScene.run({ _ in [.send(Self.good)] }) { scene in
            let client = try await GatewayClient.connect(port: scene.port)
            let answer = try await client.ask(method, path, body: body)
            #expect(answer.status == status)
            let error = try JSONValue(parsing: answer.body)["error"]
            #expect(error?["code"]?.string == code && error?["type"]?.string != nil)
            if code == "model_not_found" { #expect(error?["message"]?.string?.contains("triage") == true) }
            #expect(scene.engine.requests.isEmpty)
            // The connection is good for the next request.
            #expect(try await client.ask(body: Question.chat()).status == 200)
            await client.close()
        }
    }

    @Test("the body reaches the engine unchanged, other headers do not")
    func unchanged() async throws {
        try await FaultScene.run({ _ in [.send(Self.good)] }) { scene in
            let body = #"{ "seed" : 1e0, "model":"triage", "x":"ü\u00fc", "x":2 }"#
            let client = try await GatewayClient.connect(port: scene.port)
            let answer = try await client.ask(
                body: body, headers: ["authorization": "Bearer secret", "cookie": "a=b", "x-other": "1"])
            #expect(answer.status == 200)
            let request = try #require(scene.engine.requests.first)
            #expect(request.hasSuffix("\r\n\r\n" + body))
            #expect(
                !request.contains("secret") && !request.lowercased().contains("cookie") && !request.contains("x-other"))
            await client.close()
        }
    }

    @Test(
        "only known hosts and origins may ask",
        arguments: [
            ("localhost", nil, 200), ("localhost:8080", nil, 200), ("127.0.0.1:1", nil, 200), ("[::1]:8080", nil, 200),
            ("LOCALHOST", nil, 200), ("box.lan:80", nil, 200), ("evil.example", nil, 403),
            ("localhost.evil.example", nil, 403),
            ("127.0.0.1.evil.example", nil, 403), ("", nil, 403), ("localhost:x", nil, 403), ("[::1", nil, 403),
            ("localhost", "http://localhost:3000", 200), ("localhost", "https://evil.example", 403),
            ("localhost", "null", 403),
        ] as [(String, String?, Int)])
    func hosts(host: String, origin: String?, status: Int) async throws {
        try await FaultScene.run({ _ in [.send(Self.good)] }, configure: { $0.allowedHosts = ["Box.lan"] }) { scene in
            let client = try await GatewayClient.connect(port: scene.port)
            var headers: HTTPHeaders = ["host": host]
            if let origin { headers.add(name: "origin", value: origin) }
            let answer = try await client.ask(body: Question.chat(), headers: headers)
            #expect(answer.status == status)
            #expect(answer.headers["access-control-allow-origin"] == nil)
            await client.close()
        }
    }

    @Test(
        "where keys are set, one must be sent",
        arguments: [
            (nil, 401), ("Bearer \(key)", 200), ("bearer \(key)", 200), ("Bearer \(key)x", 401), ("Bearer ", 401),
            (key, 401), ("Basic \(key)", 401),
        ] as [(String?, Int)])
    func keys(header: String?, status: Int) async throws {
        try await FaultScene.run({ _ in [.send(Self.good)] }, configure: { $0.apiKeys = ["other", Self.key] }) {
            scene in
            let client = try await GatewayClient.connect(port: scene.port)
            let headers: HTTPHeaders = header.map { ["authorization": $0] } ?? [:]
            let answer = try await client.ask(body: Question.chat(), headers: headers)
            #expect(answer.status == status)
            if status == 401 { #expect(answer.headers["www-authenticate"] == "Bearer") }
            await client.close()
        }
    }

    @Test("a body beyond the limit is refused, told beforehand or not", arguments: [false, true])
    func tooLarge(isChunked: Bool) async throws {
        try await FaultScene.run({ _ in [.send(Self.good)] }, configure: { $0.maxBodyBytes = ByteCount(1000) }) {
            scene in
            let client = try await GatewayClient.connect(port: scene.port)
            let body = Question.chat(String(repeating: "x", count: 5000))
            let headers: HTTPHeaders = isChunked ? ["transfer-encoding": "chunked"] : [:]
            let answer = try await client.ask(isChunked ? .PUT : .POST, body: body, headers: headers)
            #expect(answer.status == 413)
            #expect(scene.engine.requests.isEmpty)
            await client.close()
        }
    }

    @Test("parked requests wait in order, within the bound of their number, and are answered by the next engine")
    func parking() async throws {
        try await FaultScene.run({ _ in [.send(Self.good)] }, configure: { $0.parkedRequests = 2 }) { scene in
            await scene.gateway.park(scene.slot)
            let health = try await GatewayClient.connect(port: scene.port).ask(.GET, "/health")
            #expect(health.text.contains("waiting"))
            var waiting: [Task<GatewayAnswer, any Error>] = []
            for number in 1...3 {
                let task = Task { try await scene.ask(Question.chat("number \(number)")) }
                if number == 3 {
                    let refused = try await task.value
                    #expect(refused.status == 503 && refused.headers["retry-after"] == "30")
                } else {
                    waiting.append(task)
                    // A request is in the queue once a later one is answered: both come over one event loop.
                    for _ in 0..<5 { _ = try await GatewayClient.connect(port: scene.port).ask(.GET, "/health") }
                }
            }
            #expect(scene.engine.requests.isEmpty)
            let next = ScriptedEngine { _ in [.send(Self.good)] }
            try await next.listen(scene.folder.file("2.sock"))
            await scene.route(2)
            #expect(next.requests.isEmpty)
            await scene.gateway.unpark(scene.slot)
            for task in waiting { #expect(try await task.value.status == 200) }
            #expect(scene.engine.requests.isEmpty && next.requests.count == 2)
            let intervals = await scene.gateway.takeMeasurements()
            #expect(intervals.map(\.refused).reduce(0, +) == 1 && intervals.map(\.requests).reduce(0, +) == 2)
            try await next.stop()
        }
    }

    @Test("a request that waited too long is refused and forgotten")
    func parkedTooLong() async throws {
        try await FaultScene.run({ _ in [.send(Self.good)] }, configure: { $0.maxPark = .seconds(2) }) { scene in
            await scene.gateway.park(scene.slot)
            let refused = try await scene.ask()
            #expect(refused.status == 503)
            await scene.gateway.unpark(scene.slot)
            let answered = try await scene.ask()
            #expect(answered.status == 200)
            #expect(scene.engine.requests.count == 1)
        }
    }

    @Test("requests that wait for a removed slot are told so")
    func removedWhileParked() async throws {
        try await FaultScene.run({ _ in [] }) { scene in
            await scene.gateway.park(scene.slot)
            let waiting = Task { try await scene.ask() }
            for _ in 0..<5 { _ = try await GatewayClient.connect(port: scene.port).ask(.GET, "/health") }
            await scene.gateway.removeRoute(scene.slot)
            #expect(try await waiting.value.status == 404)
        }
    }
}
