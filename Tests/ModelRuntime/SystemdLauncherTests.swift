import Foundation
import MartletTypes
import TestSupport
import Testing

@testable import ModelRuntime

@Suite("Engines as units of systemd's", .serialized)
struct SystemdLauncherTests {
    @Test("an engine outlives its agent and is adopted by slot, generation and process")
    func adoption() async throws {
        let scene = try await RuntimeScene(.systemd)
        let spec = scene.spec()
        let first = try await scene.ready(spec)
        let next = try await scene.anotherAgent()
        await next.sweep(sparing: [scene.folder(of: spec)])
        let adopted = try await next.launch(spec)
        #expect(adopted.pid == first.pid)
        let answer = try await EngineClient(socketPath: spec.socketPath)
            .chat(system: "intent?", user: "I was charged twice", maxTokens: 8)
        #expect(answer.text == "billing")
        // Its output goes to the new agent, and so do its end and the reason for it.
        kill(adopted.pid, SIGKILL)
        #expect(await adopted.waitForExit().reason == .signalled(SIGKILL))
    }

    @Test("an engine that was started with another order is not adopted but replaced")
    func otherOrder() async throws {
        let scene = try await RuntimeScene(.systemd)
        let first = try await scene.ready(scene.spec(parallel: 4))
        let next = try await scene.anotherAgent()
        let spec = scene.spec(parallel: 2)
        let second = try await next.launch(spec)
        try await EngineClient(socketPath: spec.socketPath).waitUntilReady(timeout: .seconds(120), process: second)
        #expect(second.pid != first.pid)
        _ = await second.terminate(grace: .seconds(20))
    }

    @Test("a restarted agent leaves its engines, one that is stopped for good ends them", arguments: [true, false])
    func agentStops(isForGood: Bool) async throws {
        let scene = try await RuntimeScene(.systemd)
        let process = try await scene.ready(scene.spec())
        let job = "7 martlet-agent.service \(isForGood ? "stop" : "restart") running"
        try job.write(toFile: scene.state + "/jobs", atomically: true, encoding: .utf8)
        await scene.launcher.agentStops()
        let exit = await process.terminate(grace: .seconds(20))
        #expect((exit.reason == .unobserved) == !isForGood)
        #expect((await EngineClient(socketPath: scene.spec().socketPath).health() == .ready) == !isForGood)
        await (try await scene.anotherAgent()).sweep()
    }

    @Test("an engine that ended before systemd said that it started is reported with its end and its last words")
    func endedAtOnce() async throws {
        let scene = try await RuntimeScene(.systemd)
        try FileManager.default.createDirectory(atPath: scene.state, withIntermediateDirectories: true)
        try Data().write(to: URL(fileURLWithPath: scene.state + "/late"))
        let spec = scene.spec(adapters: [EngineAdapter(path: TinyModel.crashingAdapter)])
        for _ in 0..<2 {
            let process = try await scene.launcher.launch(spec)
            let exit = await process.waitForExit()
            #expect(exit.reason == .signalled(SIGABRT))
            #expect(!exit.logTail.isEmpty)
            #expect(process.memory() == nil)
            #expect(await process.terminate(grace: .seconds(1)).reason == exit.reason)
        }
    }

    @Test("a service manager that refuses is an error with a remedy, and nothing is held afterwards")
    func refused() async throws {
        let scene = try await RuntimeScene(.systemd)
        let units = SystemdUnits(command: ["/bin/sh", "-c", "echo Access denied >&2; exit 4"])
        let launcher = SystemdLauncher(
            engines: InstalledEngines(try await llamaServer()), runFolder: scene.runFolder, units: units)
        for _ in 0..<2 {
            let error = await #expect(throws: RuntimeError.self) { try await launcher.launch(scene.spec()) }
            #expect(error?.code == "engineNotStarted" && error?.message.contains("Access denied") == true)
            #expect(error?.remedy.contains("polkitd") == true)
        }
    }

    @Test("limits of a slot are set at its unit, before it starts")
    func limits() async throws {
        let scene = try await RuntimeScene(.systemd)
        var spec = scene.spec()
        spec.limits = EngineLimits(memory: .mebibytes(512), cpuPercent: 150)
        let process = try await scene.ready(spec)
        let log = try String(contentsOfFile: scene.state + "/log", encoding: .utf8)
        let lines = log.split(separator: "\n")
        let limited = lines.firstIndex { $0.hasSuffix("MemoryMax=536870912 CPUQuota=150%") }
        let started = try #require(lines.firstIndex { $0.hasPrefix("start ") })
        #expect(limited.map { $0 < started } == true, "\(log)")
        _ = await process.terminate(grace: .seconds(20))
    }

    @Test("what a unit's engine ordered cannot be read or carried out is refused")
    func badOrders() async throws {
        let scene = try await RuntimeScene(.systemd)
        let folder = scene.folder(of: scene.spec())
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for text in ["", "{}", "[1", #"{"program":7}"#] {
            try text.write(toFile: folder + "/order.json", atomically: true, encoding: .utf8)
            #expect(EngineOrder(in: folder) == nil)
        }
        let result = try await run(Checkout.product("martlet-agent"), ["run-engine", folder])
        #expect(result.status == 69 && result.errors.contains("order.json"), "\(result.status) \(result.errors)")
    }

    @Test("an order of a newer form is refused with what to do; one of before forms, or with more in it, is read")
    func orderForms() async throws {
        let scene = try await RuntimeScene(.systemd)
        let folder = scene.folder(of: scene.spec())
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        func order(_ more: String) throws {
            let text =
                #"{"slot":"triage","generation":7,"program":"/bin/true","arguments":["true"],"environment":[],"#
                + #""confinement":"off","readable":[],"writable":[],"niceness":0\#(more)}"#
            try text.write(toFile: folder + "/order.json", atomically: true, encoding: .utf8)
        }
        for more in ["", #","form":\#(EngineOrder.newestForm),"later":{"x":1}"#] {
            try order(more)
            let result = try await run(Checkout.product("martlet-agent"), ["run-engine", folder])
            #expect(result.status == 0, "\(result.errors)")
        }
        try order(#","form":\#(EngineOrder.newestForm + 1)"#)
        let result = try await run(Checkout.product("martlet-agent"), ["run-engine", folder])
        #expect(result.status == 69 && result.errors.contains("Install the package"), "\(result.errors)")
    }

    @Test(
        "names of units are escaped as systemd-escape does it",
        arguments: [
            ("triage/7", "martlet-runtime@triage-7.service"),
            ("night-shift/12", #"martlet-runtime@night\x2dshift-12.service"#),
            ("a b/.é", #"martlet-runtime@a\x20b-.\xc3\xa9.service"#), (".x/1", #"martlet-runtime@\x2ex-1.service"#),
        ])
    func names(path: String, unit: String) { #expect(UnitName.of(path) == unit) }

    @Test("what systemctl shows is read, also where it shows nothing")
    func states() {
        let state = SystemdUnits.State(
            text: "MainPID=0\nActiveState=failed\nControlGroup=/a=b\nExecMainCode=2\nExecMainStatus=9\n")
        #expect(state.pid == 0 && state.active == "failed" && state.group == "/a=b")
        #expect(state.end == .signalled(9))
        #expect(SystemdUnits.State(text: "ExecMainCode=1\nExecMainStatus=3").end == .exited(3))
        #expect(SystemdUnits.State(text: "").end == nil && SystemdUnits.State(text: "MainPID=x").pid == 0)
    }
}
