import Foundation
import Logging
import MartletTypes
import Synchronization
import TestSupport
import Testing

@testable import AgentEngine

@Suite("Logs for people on the box")
struct LogTests {
    private func logger(_ ring: LogRing) -> Logger {
        Logger(label: "test") { _ in ring.handler(SwiftLogNoOpLogHandler()) }
    }

    @Test("the ring keeps the last lines with level, slot and facts, within its bound")
    func ring() throws {
        let ring = LogRing(limit: 1000, clock: { SlotFixtures.start })
        let handler = ring.handler(StreamLogHandler.standardError(label: "test"))
        var logger = Logger(label: "test") { _ in handler }
        logger.logLevel = .critical
        logger.info("not kept")
        logger.logLevel = .info
        ring.add(level: .info, slot: nil, text: "starts")
        ring.add(level: .warning, slot: try SlotName("triage"), text: "moved to=failed")
        #expect(ring.last(10).map(\.text) == ["starts", "moved to=failed"])
        #expect(ring.last(10, slot: try SlotName("triage")).map(\.level) == ["warning"])
        for number in 0..<200 { ring.add(level: .info, slot: nil, text: "line \(number) of some length") }
        let kept = ring.last(1000)
        #expect(kept.last?.text == "line 199 of some length")
        #expect(kept.map(\.text.utf8.count).reduce(0, +) <= 1000)
        #expect(ring.last(3).count == 3)
    }

    @Test("what is logged with a slot is about it, and control characters reach no terminal")
    func metadata() throws {
        let ring = LogRing()
        var logger = Logger(label: "test") { label in ring.handler(StreamLogHandler.standardError(label: label)) }
        logger[metadataKey: "slot"] = "triage"
        logger.notice("slot moved", metadata: ["to": "serving", "from": "a\u{1b}[31m"])
        let line = try #require(ring.last(1).first)
        #expect(line.slot == (try SlotName("triage")))
        #expect(line.text == "slot moved from=a [31m to=serving")
        #expect(!line.isEngine)
    }

    /// Collects what is told.
    private final class Told: Sendable {
        private let lines = Mutex<[LogAnswer]>([])
        var texts: [String] { lines.withLock { $0.compactMap(\.line?.text) } }
        var isEnded: Bool { lines.withLock { $0.last?.end ?? false } }
        let isOpen = Mutex(true)
        func take(_ answer: LogAnswer) -> Bool {
            lines.withLock { $0.append(answer) }
            return isOpen.withLock { $0 }
        }
    }

    @Test("engines' last whole lines and the agent's are told, of one slot alone where it is named")
    func last() async throws {
        let folder = try TemporaryFolder()
        try "one\ntwo\nhalf of".write(toFile: folder.file("triage.log"), atomically: true, encoding: .utf8)
        try "other\n".write(toFile: folder.file("notes.log"), atomically: true, encoding: .utf8)
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("trap.log"), withDestinationPath: "/etc/passwd")
        let ring = LogRing()
        ring.add(level: .info, slot: nil, text: "agent starts")
        let teller = LogTeller(ring: ring, folder: folder.path)
        let all = Told()
        await teller.tell(LogRequest()) { all.take($0) }
        #expect(all.texts == ["other", "one", "two", "agent starts"])
        #expect(all.isEnded)
        let one = Told()
        await teller.tell(LogRequest(slot: try SlotName("triage"), lines: 1)) { one.take($0) }
        #expect(one.texts == ["two"])
        let trap = Told()
        await teller.tell(LogRequest(slot: try SlotName("trap"))) { trap.take($0) }
        #expect(trap.texts.isEmpty)
    }

    @Test("whoever follows gets lines as they come, over a rotation, until he leaves")
    func follow() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("triage.log")
        try "old\n".write(toFile: path, atomically: false, encoding: .utf8)
        let ring = LogRing()
        let teller = LogTeller(ring: ring, folder: folder.path)
        let told = Told()
        let task = Task { await teller.tell(LogRequest(follows: true)) { told.take($0) } }
        try await eventually(within: 20, "what was there") { told.texts == ["old"] }
        ring.add(level: .info, slot: nil, text: "from the agent")
        try await eventually(within: 20, "the agent's line") { told.texts.contains("from the agent") }
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data("new\n".utf8))
        try await eventually(within: 20, "the engine's line") { told.texts.contains("new") }
        try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
        try "rotated\n".write(toFile: path, atomically: false, encoding: .utf8)
        try await eventually(within: 20, "the new file's line") { told.texts.contains("rotated") }
        #expect(told.texts.count { $0 == "new" } == 1)
        told.isOpen.withLock { $0 = false }
        await task.value
    }

    @Test("an answer of lines survives the way through the socket, and so does its end")
    func client() async throws {
        let folder = try TemporaryFolder("log")
        let run = folder.file("run")
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        let ring = LogRing()
        for number in 0..<500 { ring.add(level: .info, slot: nil, text: "line \(number)") }
        let socket = ControlSocket(
            folder: run, logger: AgentLog.silent, logs: LogTeller(ring: ring, folder: folder.file("log"))
        ) { try BrokenSetUp.status { _ in } }
        let task = Task { try await socket.run() }
        try await eventually(within: 20, "the socket is there") {
            FileManager.default.fileExists(atPath: run + "/control.sock")
        }
        let client = ControlClient(data: folder.path)
        let lines = Mutex<[String]>([])
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            Thread {
                continuation.resume(
                    with: Result {
                        try client.logs(LogRequest(lines: 400)) { line in
                            lines.withLock { $0.append(line.text) }
                            return true
                        }
                    })
            }.start()
        }
        #expect(lines.withLock { $0 } == (100..<500).map { "line \($0)" })
        task.cancel()
        try await task.value
    }
}
