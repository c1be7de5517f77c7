import AgentStore
import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing

@testable import AgentEngine

@Suite("The control socket")
struct ControlSocketTests {
    /// A control socket that runs, in a data folder whose path is as long as `depth` folders make it.
    private final class Scene: Sendable {
        let folder: TemporaryFolder
        let data: String
        private let running: Task<Void, any Error>

        init(depth: Int = 1, status: @escaping @Sendable () async throws -> AgentStatus) async throws {
            folder = try TemporaryFolder()
            data = folder.file((0..<depth).map { _ in "a-folder-with-a-long-name" }.joined(separator: "/"))
            try FileManager.default.createDirectory(atPath: data + "/run", withIntermediateDirectories: true)
            let socket = ControlSocket(folder: data + "/run", logger: AgentLog.silent, status: status)
            running = Task { try await socket.run() }
            let path = path
            try await eventually(within: 20, "the socket is there") { FileManager.default.fileExists(atPath: path) }
        }

        var path: String { data + "/run/control.sock" }

        /// The client blocks: it must not take a thread of the pool that serves it.
        func ask(_ line: String) async throws -> String {
            let client = ControlClient(data: data)
            let bytes = try await onThread { try client.ask(Array(line.utf8)) }
            return String(decoding: bytes, as: UTF8.self)
        }

        func status() async throws -> AgentStatus {
            let client = ControlClient(data: data)
            // Beside many tests an answer may take longer than people wait.
            return try await onThread { try client.status(patienceSeconds: 60) }
        }

        func stop() async throws {
            running.cancel()
            try await running.value
        }

        private func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
            try await withCheckedThrowingContinuation { continuation in
                Thread { continuation.resume(with: Result { try body() }) }.start()
            }
        }
    }

    private static func status(slots: Int = 1, history: Int = 2) throws -> AgentStatus {
        let release = try ReleasePath("clinic/triage/1.0.0")
        let step = AgentStatus.Step(
            time: SlotFixtures.start, phase: "committed", cause: String(repeating: "c", count: 200))
        return AgentStatus(
            agent: AgentStatus.Agent(
                device: try DeviceID("ward-1"), registry: "https://registry.example:8443", version: "0.1.0",
                started: SlotFixtures.start, certificateEnds: SlotFixtures.start, assignment: 4,
                gateway: "127.0.0.1:8080", profile: "generic", storeBytes: .mebibytes(5), waitingReports: 0),
            slots: try (0..<slots).map {
                AgentStatus.Slot(
                    slot: try SlotName("slot-\($0)"), phase: "committed", serving: true, current: [release],
                    previous: [], assigned: [release], generation: 4, override: nil, retryAt: nil,
                    history: Array(repeating: step, count: history))
            })
    }

    @Test("the owner gets the status, again and again, and the socket is the owner's alone")
    func asks() async throws {
        let scene = try await Scene { try Self.status() }
        for _ in 0..<5 { #expect(try await scene.status() == Self.status()) }
        let mode = try FileManager.default.attributesOfItem(atPath: scene.path)[.posixPermissions]
        #expect(mode as? Int == 0o600)
        try await scene.stop()
        #expect(!FileManager.default.fileExists(atPath: scene.path))
        #expect(await thrownCode { _ = try await scene.status() } == "notRunning")
    }

    @Test("a path longer than a socket's address does not matter")
    func longPath() async throws {
        let scene = try await Scene(depth: 8) { try Self.status() }
        #expect(scene.path.utf8.count > 108)
        #expect(try await scene.status() == Self.status())
        try await scene.stop()
    }

    @Test("the largest status comes whole")
    func large() async throws {
        let whole = try Self.status(slots: Limits.slotsPerDevice, history: 20)
        let scene = try await Scene { whole }
        #expect(try await scene.status() == whole)
        try await scene.stop()
    }

    @Test("what is no question is answered with what to do", arguments: ["", "status", "[]", #"{"command":"reboot"}"#])
    func wrong(_ line: String) async throws {
        let scene = try await Scene { try Self.status() }
        let answer = try await scene.ask(line)
        #expect(answer.contains(#""error""#))
        #expect(answer.contains("status"))
        #expect(try await scene.status() == Self.status())
        try await scene.stop()
    }

    @Test("a failure inside the agent reaches who asked")
    func failure() async throws {
        let scene = try await Scene { throw AgentError(.notEnrolled, "No identity.", remedy: "Enrol.") }
        #expect(await thrownCode { _ = try await scene.status() } == "notEnrolled")
        try await scene.stop()
    }

    @Test("whoever says nothing, or too much, keeps nobody else out")
    func hostile() async throws {
        let scene = try await Scene { try Self.status() }
        let silent = try LocalSocket.connect(folder: scene.data + "/run", name: "control.sock")
        let gone = try LocalSocket.connect(folder: scene.data + "/run", name: "control.sock")
        close(gone)
        let flooding = try LocalSocket.connect(folder: scene.data + "/run", name: "control.sock")
        LocalSocket.setPatience(flooding, seconds: 1)
        _ = LocalSocket.write([UInt8](repeating: 0x61, count: 80_000), to: flooding)
        #expect(try await scene.status() == Self.status())
        close(silent)
        close(flooding)
        try await scene.stop()
    }

    @Test("what an earlier agent left behind is replaced")
    func leftOver() async throws {
        let folder = try TemporaryFolder()
        let first = try LocalSocket.listen(folder: folder.path, name: "control.sock")
        close(first)
        #expect(FileManager.default.fileExists(atPath: folder.file("control.sock")))
        let second = try LocalSocket.listen(folder: folder.path, name: "control.sock")
        close(second)
        let code = await thrownCode { _ = try LocalSocket.listen(folder: folder.file("absent"), name: "control.sock") }
        #expect(code == "notRunning")
    }

    @Test("an answer that is cut off is not taken for a status")
    func cutOff() throws {
        let whole = try Self.status().lines()
        #expect(try AgentStatus(lines: whole) == Self.status())
        for count in [0, 1, 10, whole.count / 2, whole.count - 2] {
            #expect(throws: AgentError.self) { try AgentStatus(lines: Array(whole.prefix(count))) }
        }
    }
}
