import AgentEngine
import AgentStore
import Foundation
import MartletAPI
import MartletTypes
import ModelRuntime
import TestSupport
import Testing
import Trust

/// The real llama-server behind a script that misbehaves instead while a file says how.
private struct FaultyEngine {
    let folder: TemporaryFolder
    var path: String { folder.file("llama-server") }

    init() throws {
        folder = try TemporaryFolder("faulty")
        let real = try #require(Checkout.llamaServer)
        let script = #"""
            #!/bin/sh
            # Stands in for an engine that is broken; what is asked of its version is answered by the real one.
            here=$(dirname "$0")
            case "$1" in --version|--help) exec "\#(real)" "$@" ;; esac
            [ -e "$here/fault" ] || exec "\#(real)" "$@"
            while [ $# -gt 0 ]; do [ "$1" = --host ] && socket=$2; shift; done
            echo "$$" >> "$here/pids"
            case $(cat "$here/fault") in
                start) exec sleep 600 ;;
                exits) exit 0 ;;
                dies) exit 3 ;;
                memory) exec python3 "$here/hoard.py" ;;
                *) exec python3 "$here/server.py" "$socket" "$(cat "$here/fault")" ;;
            esac
            """#
        try write("llama-server", script)
        try write(
            "hoard.py",
            #"""
            # Takes memory until it gets no more, as far as a machine that runs tests can bear; then it hangs. What it
            # has is written to, so that it counts.
            import os, time
            here = os.path.dirname(os.path.abspath(__file__))
            hoard = []
            try:
                while len(hoard) < 1024:
                    hoard.append(bytearray(b"x" * (1 << 20)))
            except MemoryError:
                with open(here + "/hoard", "w") as file:
                    file.write(str(len(hoard)))
                raise
            time.sleep(600)
            """#)
        try write(
            "server.py",
            #"""
            import socket, sys, threading, time
            path, fault = sys.argv[1], sys.argv[2]
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen(16)

            def answer(connection):
                data = b""
                while True:
                    while b"\r\n\r\n" not in data:
                        piece = connection.recv(65536)
                        if not piece:
                            return
                        data += piece
                    head, _, data = data.partition(b"\r\n\r\n")
                    length = 0
                    for line in head.lower().split(b"\r\n"):
                        if line.startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                    while len(data) < length:
                        data += connection.recv(65536)
                    data = data[length:]
                    if b" /health" in head.split(b"\r\n")[0]:
                        if fault == "health":
                            connection.sendall(b"HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\n{}")
                            continue
                        if fault == "silent":
                            time.sleep(600)
                        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}")
                        continue
                    # In the middle of its answer it stops, without an end; health is answered all the while.
                    if fault == "stalls":
                        connection.sendall(
                            b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
                            b"9\r\ndata: 1\n\n\r\n")
                        time.sleep(600)
                    connection.sendall(
                        b"HTTP/1.1 200 X\r\nContent-Length: 500\r\nContent-Type: application/json\r\n\r\n{")
                    time.sleep(1 if fault == "cuts" else 600)
                    return

            while True:
                connection, _ = listener.accept()
                threading.Thread(target=lambda c=connection: (answer(c), c.close()), daemon=True).start()
            """#)
    }

    private func write(_ name: String, _ text: String) throws {
        try text.write(toFile: folder.file(name), atomically: true, encoding: .utf8)
        chmod(folder.file(name), 0o755)
    }

    /// Engines that are started from now on misbehave like this; nil lets them be.
    func fault(_ name: String?) throws {
        try? FileManager.default.removeItem(atPath: folder.file("fault"))
        if let name { try name.write(toFile: folder.file("fault"), atomically: true, encoding: .utf8) }
    }

    /// Mebibytes that an engine which eats memory had when it got no more; nil where none came so far.
    var hoarded: Int? { (try? String(contentsOfFile: folder.file("hoard"), encoding: .utf8)).flatMap { Int($0) } }

    /// Faulty engines that still run.
    var left: [Int32] {
        let text = (try? String(contentsOfFile: folder.file("pids"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { Int32($0) }.filter { kill($0, 0) == 0 }
    }
}

/// A candidate, or what serves, with an engine that is broken in one of the ways there are.
@Suite("An engine that misbehaves", .serialized)
struct EngineFaultTests {
    /// A probe is waited for for two minutes.
    private static let scale = ProcessInfo.processInfo.environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1
    private static let slow = scale > 1 ? [("stalls", "probeFailed")] : []

    private func device(_ engine: FaultyEngine) async throws -> DeviceFixture {
        try await DeviceFixture(withEngine: true, engineScript: engine.path)
    }

    @Test(
        "as a candidate never serves: what served goes on, the release is blamed, no process is left",
        arguments: [
            ("start", "engineNotReady"), ("health", "engineNotReady"), ("silent", "engineNotReady"),
            ("exits", "engineExited"), ("dies", "engineExited"), ("cuts", "probeFailed"),
        ] + slow)
    func candidate(_ fault: String, _ code: String) async throws {
        let engine = try FaultyEngine()
        let device = try await device(engine)
        let good = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let next = try device.registry.publish(
            TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf", probes: [Probe(prompt: "hello")]))
        let agent = device.agent(SwapSettings(startTimeout: .seconds(15)))
        try await running(agent) {
            await agent.apply(device.assignment(number: 1, good))
            let serving = try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
            try engine.fault(fault)
            await agent.apply(device.assignment(number: 2, next))
            let record = try await device.eventually("2.0.0 has failed") { $0.phase == .failed }
            #expect(record.override?.code == code, "\(record.override?.message ?? "")")
            #expect(record.current == serving.current)
            #expect(await agent.snapshots().first?.serving == serving.current?.id)
            let end = ContinuousClock.now + .seconds(120)
            while !engine.left.isEmpty, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(20)) }
            #expect(engine.left.isEmpty)
        }
        await device.close()
    }

    @Test("as what serves, that cannot be started any more, makes the slot go back to what served before")
    func crashLoop() async throws {
        let engine = try FaultyEngine()
        let device = try await device(engine)
        let first = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let second = try device.registry.publish(
            TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf"))
        let agent = device.agent(SwapSettings(startTimeout: .seconds(60)))
        try await running(agent) {
            await agent.apply(device.assignment(number: 1, first))
            try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
            await agent.apply(device.assignment(number: 2, second))
            try await device.eventually("2.0.0 is committed") { $0.phase == .committed && $0.current?.assigned == 2 }
            try engine.fault("exits")
            for pid in try EngineProcesses.pids(of: device) { kill(pid, SIGKILL) }
            let record = try await device.eventually("it goes back") { $0.phase == .failed }
            #expect(record.override?.code == "crashLoop" && record.current?.assigned == 1)
            try engine.fault(nil)
            let end = ContinuousClock.now + .seconds(240)
            while await agent.snapshots().first?.serving != record.current?.id, ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(await agent.snapshots().first?.serving == record.current?.id, "it serves as soon as it can")
        }
        await device.close()
    }

    @Test("as what serves, that hangs in the middle of an answer, is ended and started again")
    func hangs() async throws {
        let engine = try FaultyEngine()
        let device = try await device(engine)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        var settings = SwapSettings(startTimeout: .seconds(60))
        settings.healthInterval = .milliseconds(300)
        let agent = device.agent(settings)
        let gateway = Task { try await device.gateway.run() }
        try await running(agent) {
            await agent.apply(device.assignment(number: 1, release))
            try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
            let port = try await device.gateway.boundPort
            let pid = try #require(try EngineProcesses.pids(of: device).first)
            // Stopped, it keeps its connections and answers nobody.
            kill(pid, SIGSTOP)
            let asked = Task { try await ask(port) }
            let end = ContinuousClock.now + .seconds(240)
            while try await !device.reports().contains(where: { $0.code == "engineRestarted" }),
                ContinuousClock.now < end
            { try await Task.sleep(for: .milliseconds(20)) }
            #expect(try await device.reports().contains { $0.code == "engineRestarted" })
            // It had sent nothing of its answer: the question is asked again, of the engine that was started.
            #expect(try await asked.value.hasSuffix("200"))
            #expect(kill(pid, 0) != 0, "the one that hung is gone")
        }
        gateway.cancel()
        _ = await gateway.result
        await device.close()
    }

    @Test("as what serves, that says it is well but hangs in its answers, is ended once they were silent for too long")
    func stalls() async throws {
        let engine = try FaultyEngine()
        var configuration = GatewayConfiguration(port: 0)
        configuration.engineSilence = .seconds(4)
        let device = try await DeviceFixture(withEngine: true, engineScript: engine.path, gateway: configuration)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        var settings = SwapSettings(startTimeout: .seconds(60))
        settings.healthInterval = .milliseconds(300)
        let agent = device.agent(settings)
        let gateway = Task { try await device.gateway.run() }
        try await running(agent) {
            await agent.apply(device.assignment(number: 1, release))
            try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
            let port = try await device.gateway.boundPort
            // The next engine answers about its health, begins an answer, and stops in the middle of it.
            try engine.fault("stalls")
            let good = try #require(try EngineProcesses.pids(of: device).first)
            kill(good, SIGKILL)
            try await restarted(device, times: 1)
            let faulty = try #require(engine.left.first)
            try engine.fault(nil)
            let broken = try await ask(port, stream: true)
            #expect(broken.contains("data: 1") && broken.contains("engine_silent"), "\(broken)")
            try await restarted(device, times: 2)
            #expect(kill(faulty, 0) != 0, "the one that hung is gone")
            #expect(try await ask(port).hasSuffix("200"))
        }
        gateway.cancel()
        _ = await gateway.result
        await device.close()
    }

    @Test(
        "that eats memory gets no more than its limit: a candidate is blamed, what serves is gone back from"
    )
    func hoards() async throws {
        let engine = try FaultyEngine()
        let device = try await device(engine)
        let first = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let second = try device.registry.publish(TestRelease("clinic/triage/2.0.0", model: "tiny/tiny-v2.Q8_0.gguf"))
        let agent = device.agent(SwapSettings(startTimeout: .seconds(60)), keepsLimits: true)
        func assignment(_ number: Int64, _ release: AssignedRelease) -> Assignment {
            var slot = device.target(release, generation: number).assignment
            slot.settings.residency = SlotResidency(memoryMiB: 256)
            return device.assignment(number: number, slots: [device.slot: slot])
        }
        try await running(agent) {
            await agent.apply(assignment(1, first))
            try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
            try engine.fault("memory")
            await agent.apply(assignment(2, second))
            let refused = try await device.eventually("2.0.0 has failed") { $0.phase == .failed }
            #expect(refused.override?.code == "engineExited", "\(refused.override?.message ?? "")")
            #expect(refused.current?.assigned == 1)
            // It had most of what it may have, and not a mebibyte beyond.
            let hoarded = try #require(engine.hoarded, "it was ended before it met its limit")
            #expect((64..<256).contains(hoarded), "\(hoarded) MiB")
            try engine.fault(nil)
            await agent.apply(assignment(3, second))
            try await device.eventually("2.0.0 is committed") { $0.phase == .committed && $0.current?.assigned == 3 }
            try engine.fault("memory")
            for pid in try EngineProcesses.pids(of: device) { kill(pid, SIGKILL) }
            let record = try await device.eventually("it goes back") { $0.phase == .failed }
            #expect(record.override?.code == "crashLoop" && record.current?.assigned == 1)
            try engine.fault(nil)
            try await eventually(within: 240, "it serves as soon as it can") {
                await agent.snapshots().first?.serving == record.current?.id
            }
        }
        await device.close()
    }

    private func restarted(_ device: DeviceFixture, times: Int) async throws {
        try await eventually(within: 240, "the engine was started again \(times) times") {
            try await device.reports().count { $0.code == "engineRestarted" } >= times
        }
    }

    /// The answer and its status.
    private func ask(_ port: Int, stream: Bool = false) async throws -> String {
        try await run(
            "/usr/bin/curl",
            [
                "-s", "-w", "%{http_code}", "--max-time", "120", "-H",
                "Content-Type: application/json", "-d",
                #"{"model":"triage","max_tokens":4,"stream":\#(stream),"#
                    + #""messages":[{"role":"user","content":"hello"}]}"#,
                "http://127.0.0.1:\(port)/v1/chat/completions",
            ]
        ).output
    }
}
