import Foundation
import MartletTypes
import Synchronization
import TestSupport
import Testing

@testable import ModelRuntime

/// A tree in the shape of `/sys/fs/cgroup` in which the agent has a group of its own.
private struct FakeGroups {
    let folder: TemporaryFolder
    let own: String
    let membership: String

    init(controllers: Bool = true, membership line: String = "0::/system.slice/martlet-agent.service") throws {
        folder = try TemporaryFolder("cg")
        own = folder.file("system.slice/martlet-agent.service")
        membership = folder.file("membership")
        try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
        try line.write(toFile: membership, atomically: true, encoding: .utf8)
        if controllers {
            try "cpu memory pids".write(toFile: file("cgroup.controllers"), atomically: true, encoding: .utf8)
        }
    }

    func file(_ name: String) -> String { folder.file(name) }

    func text(_ name: String) throws -> String { try String(contentsOfFile: own + "/" + name, encoding: .utf8) }

    func open(isDelegated: Bool = true) -> Result<ControlGroups, ControlGroups.Missing> {
        Result { () throws(ControlGroups.Missing) in
            try ControlGroups.open(
                root: folder.path, membership: membership, pid: 77, isDelegated: { _ in isDelegated })
        }
    }
}

/// An engine that ends when it is told to.
private final class FakeProcess: RuntimeProcess {
    let pid: Int32
    private let ends: AsyncStream<EngineExit>
    private let end: AsyncStream<EngineExit>.Continuation

    init(pid: Int32) {
        self.pid = pid
        (ends, end) = AsyncStream.makeStream(of: EngineExit.self)
    }

    func finish(_ reason: EngineExit.Reason) {
        end.yield(EngineExit(reason))
        end.finish()
    }

    func waitForExit() async -> EngineExit {
        for await exit in ends { return exit }
        return EngineExit(.unobserved)
    }

    func terminate(grace: Duration) async -> EngineExit { await waitForExit() }
    func memory() -> EngineMemory? { nil }
}

private struct FakeLauncher: RuntimeLauncher {
    let process: FakeProcess

    func launch(_ spec: EngineSpec) async throws(RuntimeError) -> any RuntimeProcess { process }
    func sweep() async {}
}

@Suite("Limits of engines")
struct EngineLimitTests {
    private func spec(_ residency: SlotResidency?, generation: Int = 12) throws -> EngineSpec {
        EngineSpec(
            slot: try SlotName("triage"), generation: generation, modelPaths: ["/m"], socketPath: "/s.sock",
            logPath: "/l", limits: EngineLimits(residency))
    }

    @Test("A delegated group is divided: the agent into one, each slot and each of its engines into others")
    func groups() async throws {
        let fake = try FakeGroups()
        let launcher = LimitedLauncher(FakeLauncher(process: FakeProcess(pid: 4711)), groups: fake.open())
        #expect(launcher.method == "control groups")
        #expect(try fake.text("agent/cgroup.procs") == "77")
        #expect(try fake.text("cgroup.subtree_control") == "+cpu +memory")
        let process = try await launcher.launch(try spec(SlotResidency(memoryMiB: 512, cpuPercent: 150)))
        #expect(try fake.text("slot-triage/cpu.max") == "150000 100000")
        #expect(try fake.text("slot-triage/cgroup.subtree_control") == "+memory")
        let engine = "slot-triage/generation-12/"
        #expect(try fake.text(engine + "memory.max") == "536870912")
        #expect(try fake.text(engine + "memory.high") == "503316480")
        #expect(try fake.text(engine + "memory.oom.group") == "1")
        #expect(try fake.text(engine + "cgroup.procs") == "4711")
        #expect(process.limits == "memory 512.0 MiB, 150 % of a processor (control group)")
    }

    @Test("An engine without limits is put into a group of its own all the same, and says nothing of limits")
    func unlimited() async throws {
        let fake = try FakeGroups()
        let launcher = LimitedLauncher(FakeLauncher(process: FakeProcess(pid: 4711)), groups: fake.open())
        let process = try await launcher.launch(try spec(nil))
        #expect(process.limits == nil)
        #expect(try fake.text("slot-triage/cpu.max") == "max 100000")
        #expect(try fake.text("slot-triage/generation-12/cgroup.procs") == "4711")
        #expect(!FileManager.default.fileExists(atPath: fake.own + "/slot-triage/generation-12/memory.max"))
    }

    @Test("An engine that the kernel ends for its memory is told apart from one that somebody kills")
    func outOfMemory() async throws {
        for (events, reason, cause) in [
            ("low 0\noom 1\noom_kill 1\n", .signalled(SIGKILL), .overLimit(.mebibytes(512))),
            ("low 0\noom 0\noom_kill 0\n", .signalled(SIGKILL), nil),
            ("oom_kill 1\n", .exited(1), nil), ("oom_kill 1\n", .signalled(SIGSEGV), nil),
        ] as [(String, EngineExit.Reason, EngineExit.Cause?)] {
            let fake = try FakeGroups()
            let engine = FakeProcess(pid: 4711)
            let launcher = LimitedLauncher(
                FakeLauncher(process: engine), groups: fake.open(), statistics: fake.file("vmstat"))
            let process = try await launcher.launch(try spec(SlotResidency(memoryMiB: 512)))
            try events.write(
                toFile: fake.own + "/slot-triage/generation-12/memory.events", atomically: true, encoding: .utf8)
            engine.finish(reason)
            let exit = await process.waitForExit()
            #expect(exit.cause == cause, "\(events) \(reason)")
            if cause != nil { #expect(exit.description.contains("more than its limit of 512.0 MiB")) }
        }
    }

    @Test("Without groups the machine's own count of kills tells that memory was short")
    func memoryShort() async throws {
        for (after, cause) in [("oom_kill 4\n", EngineExit.Cause.memoryShort), ("oom_kill 3\n", nil)] {
            let fake = try FakeGroups()
            let statistics = fake.file("vmstat")
            try "nr_free_pages 1\noom_kill 3\n".write(toFile: statistics, atomically: true, encoding: .utf8)
            let engine = FakeProcess(pid: 1)
            let launcher = LimitedLauncher(
                FakeLauncher(process: engine), groups: .failure(.init(reason: "none")), statistics: statistics)
            let process = try await launcher.launch(try spec(nil))
            try after.write(toFile: statistics, atomically: true, encoding: .utf8)
            engine.finish(.signalled(SIGKILL))
            #expect(await process.waitForExit().cause == cause)
        }
    }

    @Test("Where groups cannot be had, the reason is said")
    func missing() throws {
        func reason(_ fake: FakeGroups, isDelegated: Bool = true) -> String? {
            guard case .failure(let missing) = fake.open(isDelegated: isDelegated) else { return nil }
            return missing.reason
        }
        #expect(reason(try FakeGroups(controllers: false)) == "this machine has no control groups of version 2")
        for line in ["", "0::/", "2:memory:/x", "0::/../..", "0::/a/../../b"] {
            #expect(reason(try FakeGroups(membership: line)) == "the agent is in no control group of its own")
        }
        #expect(
            reason(try FakeGroups(), isDelegated: false)
                == "its control group is not delegated to the agent (Delegate= in its unit)")
        // Another file system, or a kernel that refuses.
        let blocked = try FakeGroups()
        try "".write(toFile: blocked.own + "/agent", atomically: true, encoding: .utf8)
        #expect(reason(blocked)?.contains("cannot be divided") == true)
    }

    @Test("The watchdog of a program on trial, which was started beside the agent, does not keep the group undivided")
    func company() throws {
        let fake = try FakeGroups()
        try "77\n78\n".write(toFile: fake.own + "/cgroup.procs", atomically: true, encoding: .utf8)
        _ = try fake.open().get()
        // The kernel takes one process at a time; this file keeps the last.
        #expect(try fake.text("agent/cgroup.procs") == "78")
        #expect(try fake.text("cgroup.subtree_control") == "+cpu +memory")
    }

    @Test("An agent that replaced itself finds the group that its predecessor divided")
    func again() throws {
        let fake = try FakeGroups()
        _ = try fake.open().get()
        try "0::/system.slice/martlet-agent.service/agent".write(
            toFile: fake.membership, atomically: true, encoding: .utf8)
        _ = try fake.open().get()
        #expect(!FileManager.default.fileExists(atPath: fake.own + "/agent/agent"))
    }

    @Test("Without groups a real engine has its writable memory limited, and says what is not limited")
    func limitedAlone() async throws {
        let scene = try await RuntimeScene()
        let launcher = LimitedLauncher(scene.launcher, groups: .failure(.init(reason: "no groups here")))
        var spec = scene.spec()
        spec.limits = EngineLimits(memory: .mebibytes(512), cpuPercent: 50)
        let process = try await launcher.launch(spec)
        try await EngineClient(socketPath: spec.socketPath).waitUntilReady(timeout: .seconds(120), process: process)
        #expect(
            process.limits
                == "memory 512.0 MiB without mapped weights (RLIMIT_DATA), "
                + "processor time is not limited: no groups here"
        )
        let limits = try #require(ProcFile.text("/proc/\(process.pid)/limits"))
        let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max data size") })
        #expect(line.contains("536870912"))
        _ = await process.terminate(grace: .seconds(5))
    }

    @Test("A limit under what an engine needs ends it at its start, not the agent")
    func tooSmall() async throws {
        let scene = try await RuntimeScene()
        let launcher = LimitedLauncher(scene.launcher, groups: .failure(.init(reason: "no groups here")))
        var spec = scene.spec()
        spec.limits = EngineLimits(memory: .mebibytes(16))
        let process = try await launcher.launch(spec)
        await #expect(throws: RuntimeError.self) {
            try await EngineClient(socketPath: spec.socketPath)
                .waitUntilReady(timeout: .seconds(120), process: process)
        }
        _ = await process.terminate(grace: .seconds(5))
    }
}
