import Foundation
import MartletTypes
import TestSupport
import Testing

@testable import ModelRuntime

@Suite("Children")
struct ChildTests {
    /// Runs a shell line as a child and returns what it printed.
    private func shell(_ line: String, _ change: (inout ChildPlan) -> Void = { _ in }) async throws -> String {
        var plan = ChildPlan(path: "/bin/sh", arguments: ["/bin/sh", "-c", line], environment: ["PATH=/usr/bin:/bin"])
        change(&plan)
        let thread = try #require(ProcessThread.shared)
        return try await OutputCollector.run(plan, on: thread)
    }

    @Test("output and error arrive, input is empty, the environment is only what was given")
    func output() async throws {
        let text = try await shell("cat; echo out; echo err >&2; env | grep -v '^_=\\|^PWD=\\|^SHLVL=\\|^OLDPWD='; pwd")
        #expect(text == "out\nerr\nPATH=/usr/bin:/bin\n/\n")
    }

    @Test("one whose answer nobody wants any more is ended at once", .timeLimit(.minutes(2)))
    func cancelled() async throws {
        let call = ConfinedCall(confinement: Confinement(mode: .off), program: "/bin/sleep")
        let bounds = ConfinedCall.Bounds(seconds: 600, bytes: 10, memory: .mebibytes(100))
        let asking = Task { try await call.ask(["600"], readable: [], bounds) }
        asking.cancel()
        #expect(try await asking.value == .killed(SIGKILL))
    }

    @Test("none of the parent's descriptors is open in the child")
    func descriptors() async throws {
        let folder = try TemporaryFolder()
        let leaked = open(folder.file("leak"), O_CREAT | O_RDWR, 0o600)
        defer { close(leaked) }
        #expect(leaked > 2)
        // 3 is the folder that ls itself reads.
        let listed = try await shell("ls /proc/self/fd").split(separator: "\n").compactMap { Int($0) }
        #expect(listed == [0, 1, 2, 3])
    }

    @Test("signals are neither blocked nor ignored in the child")
    func signals() async throws {
        let text = try await shell("grep -E '^Sig(Blk|Ign)' /proc/self/status")
        let masks = text.split(separator: "\n").compactMap { $0.split(separator: "\t").last }
        #expect(masks == ["0000000000000000", "0000000000000000"])
    }

    @Test("the child leads a process group of its own, cannot gain privileges and leaves no core")
    func attributes() async throws {
        let text = try await shell("ps -o pid=,pgid= -p $$; grep NoNewPrivs /proc/self/status; ulimit -c")
        let lines = text.split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace) }
        #expect(lines.count == 3 && lines[0][0] == lines[0][1])
        #expect(lines[1][1] == "1" && lines[2][0] == "0")
    }

    @Test("limits and the score of memory shortage are applied")
    func limits() async throws {
        let text = try await shell("ulimit -n; cat /proc/self/oom_score_adj; nice") { plan in
            plan.descriptors = 77
            plan.outOfMemoryScore = 321
            plan.niceness = 5
        }
        #expect(text == "77\n321\n5\n")
    }

    @Test("a child that prints more than a pipe holds is heard to its end, up to the bound, or ended where one wishes")
    func talkers() async throws {
        let text = try await shell("head -c 200000 /dev/zero | tr '\\0' x; echo end")
        #expect(text.utf8.count == 200_004 && text.hasSuffix("xend\n"))
        let more = try await shell("head -c 1000000 /dev/zero; exit 0")
        #expect(more.utf8.count == RuntimeLimits.probeBytes)
        let plan = ChildPlan(path: "/bin/cat", arguments: ["cat", "/dev/zero"])
        let ended = try await OutputCollector.collect(
            plan, on: try #require(ProcessThread.shared), .init(seconds: 600, bytes: 100, endsTalkers: true))
        #expect(ended.isCut && !ended.isOverdue && ended.end == .signalled(SIGKILL) && ended.text.utf8.count == 100)
    }

    @Test(
        "a program that cannot be executed is reported, with the reason",
        arguments: [
            ("/nonexistent/program", "No such file"), ("/etc/passwd", "Permission denied"), ("/", "Permission denied"),
        ])
    func cannotExecute(path: String, reason: String) async throws {
        let thread = try #require(ProcessThread.shared)
        let plan = ChildPlan(path: path, arguments: [path])
        let error = await #expect(throws: RuntimeError.self) { try await OutputCollector.run(plan, on: thread) }
        #expect(error?.code == "engineNotStarted")
        #expect(error?.message.contains(reason) == true)
    }

    @Test("a folder that cannot be entered is reported")
    func noFolder() async throws {
        let error = await #expect(throws: RuntimeError.self) { try await shell("true") { $0.folder = "/nonexistent" } }
        #expect(error?.message.contains("folder") == true)
    }

    @Test("a child dies with the thread that forked it, as it would with a killed agent")
    func parentDeath() async throws {
        let plan = ChildPlan(path: "/bin/sleep", arguments: ["sleep", "1000"])
        let child: Child = try await withCheckedThrowingContinuation { continuation in
            let thread = Thread { continuation.resume(with: Child.start(plan, output: -1)) }
            thread.start()
        }
        #expect(child.applied.contains([.parentDeathSignal, .noNewPrivileges, .closedDescriptors]))
        try await eventually(within: 20, "the child is gone") {
            guard let reason = child.reap() else { return false }
            #expect(reason == .signalled(SIGKILL))
            return true
        }
        close(child.descriptor)
    }

    @Test("what a child started ends with it")
    func group() async throws {
        let folder = try TemporaryFolder()
        let note = folder.file("pid")
        _ = try await shell("sleep 1000 & echo $! > \(note); exit 0")
        let pid = try #require(Int32(String(contentsOfFile: note, encoding: .utf8).trimmingCharacters(in: .newlines)))
        try await eventually(within: 20, "the grandchild is gone") { kill(pid, 0) != 0 || isZombie(pid) }
    }

    private func isZombie(_ pid: Int32) -> Bool {
        ProcFile.text("/proc/\(pid)/status")?.contains("State:\tZ") ?? true
    }

    @Test("an engine's log is rotated at its limit and its end is kept")
    func log() async throws {
        let folder = try TemporaryFolder()
        let log = try EngineLog(path: folder.file("log"), limit: 1000)
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        for number in 0..<100 {
            let line = "line \(number) \(String(repeating: ".", count: 40))\n"
            _ = line.withCString { write(ends[1], $0, strlen($0)) }
            #expect(log.take(from: ends[0]))
        }
        close(ends[1])
        // A child that another test forks just now holds the end open until it executes its program.
        let output = ends[0]
        try await eventually(within: 20, "the end of the output") { !log.take(from: output) }
        close(output)
        for name in ["log", "log.1"] {
            let size = try #require(FileManager.default.attributesOfItem(atPath: folder.file(name))[.size] as? Int)
            #expect(size > 0 && size <= 1000)
        }
        #expect(log.tail.contains("line 99") && log.tail.utf8.count <= RuntimeLimits.logTailBytes)
    }

    @Test("a log that cannot be opened, or is a link, is refused")
    func logRefused() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createSymbolicLink(atPath: folder.file("link"), withDestinationPath: "/etc/hostname")
        #expect(throws: RuntimeError.self) { try EngineLog(path: folder.file("link")) }
        #expect(throws: RuntimeError.self) { try EngineLog(path: folder.file("none/log")) }
    }
}
