import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import Synchronization
import TestSupport
import Testing
import Trust

/// How a registry may answer requests for a blob.
private struct Lie: Sendable, CustomTestStringConvertible {
    /// What must come of it within a day.
    enum End: Sendable {
        /// The registry is at fault: given up with this code.
        case givenUp(String)
        /// The way is at fault: tried for as long as it takes.
        case tried
        /// It comes in the end.
        case installed
    }

    let name: String
    let end: End
    let answer: FakeRegistry.BlobLie

    var testDescription: String { name }

    init(_ name: String, _ end: End, _ answer: @escaping FakeRegistry.BlobLie) {
        (self.name, self.end, self.answer) = (name, end, answer)
    }

    private static func status(_ number: Int, _ end: End) -> Lie {
        Lie("status \(number)", end) { _, _ in TinyReply(status: number, body: [0x6e, 0x6f]) }
    }

    private static func isRange(_ request: TinyRequest) -> Bool { request.fields["range"] != nil }

    static let all: [Lie] = [
        status(404, .givenUp("blobMissing")), status(403, .givenUp("unexpectedStatus")),
        status(413, .givenUp("unexpectedStatus")), status(429, .givenUp("unexpectedStatus")),
        status(507, .givenUp("unexpectedStatus")), status(500, .givenUp("unexpectedStatus")),
        status(401, .givenUp("unexpectedStatus")), status(204, .givenUp("unexpectedStatus")),
        status(503, .tried), status(502, .tried), status(504, .tried),
        Lie("a closed connection", .tried) { _, bytes in TinyReply(body: bytes, cutAfter: 0) },
        Lie("a byte, then a closed connection", .tried) { request, bytes in
            var reply = TinyReply.content(bytes, request)
            reply.cutAfter = min(1, reply.body.count - 1)
            return reply
        },
        Lie("a third, then a closed connection", .installed) { request, bytes in
            var reply = TinyReply.content(bytes, request)
            if reply.body.count > bytes.count / 3 { reply.cutAfter = bytes.count / 3 }
            return reply
        },
        Lie("other bytes of the right length", .givenUp("digestMismatch")) { request, bytes in
            var reply = TinyReply.content(bytes, request)
            reply.body = [UInt8](repeating: 7, count: reply.body.count)
            return reply
        },
        Lie("one bit that is wrong", .givenUp("digestMismatch")) { request, bytes in
            var reply = TinyReply.content(bytes, request)
            reply.body[reply.body.count / 2] ^= 1
            return reply
        },
        Lie("too short a length", .givenUp("malformedReply")) { _, bytes in TinyReply(body: Array(bytes.dropLast(9))) },
        Lie("too great a length", .givenUp("malformedReply")) { _, bytes in TinyReply(body: bytes + [0]) },
        Lie("no length, and too few bytes", .givenUp("malformedReply")) { _, bytes in
            TinyReply(body: Array(bytes.prefix(9)), announced: -1)
        },
        // It is cut off at the blob's length; what came is continued, which it does not heed.
        Lie("a body without end", .givenUp("malformedReply")) { _, bytes in
            TinyReply(body: [UInt8](repeating: 7, count: 1 << 20), announced: -1, isEndless: true)
        },
        Lie("416 to what is to be continued", .givenUp("unexpectedStatus")) { request, bytes in
            if isRange(request) { return TinyReply(status: 416) }
            return TinyReply(body: bytes, cutAfter: bytes.count / 2)
        },
        Lie("all to what is to be continued", .givenUp("malformedReply")) { request, bytes in
            TinyReply(body: bytes, cutAfter: isRange(request) ? nil : bytes.count / 2)
        },
        Lie("another part than was asked for", .givenUp("malformedReply")) { request, bytes in
            guard isRange(request) else { return TinyReply(body: bytes, cutAfter: bytes.count / 2) }
            return TinyReply(
                status: 206, fields: ["Content-Range": "bytes 0-8/\(bytes.count)"], body: Array(bytes.prefix(9)))
        },
        Lie("a redirect to itself", .givenUp("redirected")) { request, _ in
            TinyReply(status: 302, fields: ["Location": request.target])
        },
        Lie("a redirect elsewhere", .givenUp("redirected")) { _, _ in
            TinyReply(status: 307, fields: ["Location": "http://127.0.0.1:1/blob"])
        },
        Lie("429 with a wish to be left alone", .givenUp("unexpectedStatus")) { _, _ in
            TinyReply(status: 429, fields: ["Retry-After": "1800"])
        },
    ]
}

/// A slot's life over simulated time: the real installer and a real connection, the pauses skipped.
@Suite("A registry that lies, refuses or breaks off")
struct LyingRegistryTests {
    /// Requests for blobs within a day, whatever the registry does: a try in five minutes at most, of five requests.
    private static let requests = 1_500
    /// What may be fetched in vain of one blob, as a multiple of it.
    private static let waste = 6

    @Test("costs a bounded number of requests and bytes a day, is told, and what serves goes on", arguments: Lie.all)
    fileprivate func day(_ lie: Lie) async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let size = try #require(
            try FileManager.default.attributesOfItem(
                atPath: Checkout.fixture("models/tiny/tiny-v1.Q8_0.gguf"))[.size] as? Int)
        let sent = Cost()
        device.registry.lie { request, bytes in
            let reply = lie.answer(request, bytes)
            sent.add(reply.isEndless ? bytes.count : min(reply.body.count, reply.cutAfter ?? .max))
            return reply
        }
        var life = try SlotDay(device, target(device, release))
        try await life.live(until: DeviceFixture.now + .seconds(23 * 3600))
        let cost = sent.all
        #expect(cost.requests <= Self.requests, "\(cost.requests) requests")
        #expect(cost.bytes <= size * Self.waste, "\(cost.bytes) bytes for a blob of \(size)")
        let record = life.machine.record
        switch lie.end {
        case .givenUp(let code):
            #expect(record.phase == .failed, "\(record.phase): \(record.failedTry?.message ?? "")")
            #expect(record.override?.code == code && record.override?.message.hasPrefix("Given up after") == true)
            #expect(life.reports.filter { $0 == code }.count == 2, "\(life.reports)")
        case .tried:
            #expect(record.phase != .failed && record.override == nil && life.tries > 50)
            #expect((1...2).contains(life.reports.count), "told once for each cause: \(life.reports)")
        case .installed: #expect(life.isFetched)
        }
        #expect(record.current == life.serving)
        await device.close()
    }

    private func target(_ device: DeviceFixture, _ release: AssignedRelease) -> SlotTarget {
        var target = device.target(release)
        target.expires = DeviceFixture.now + .seconds(86_400 * 7)
        return target
    }

    @Test("What a power cut left of a blob that was never written is the disk's fault: it is brought again, at once")
    func torn() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let model = try FakeRegistry.digest(of: "tiny/tiny-v1.Q8_0.gguf")
        let plan = try await device.installer().plan(device.target(release), record: SlotRecord(slot: device.slot))
        try Data(count: 300_000).write(to: URL(fileURLWithPath: device.store.layout.partial(model)))
        _ = try await device.installer().fetch(plan)
        #expect(try await device.store.blobs.scrub(model))
        await device.close()
    }

    @Test("An unfinished blob is continued by the next process, and counts as room that it has already")
    func continued() async throws {
        let model = try FakeRegistry.digest(of: "tiny/tiny-v1.Q8_0.gguf")
        let device = try await DeviceFixture(budget: DiskBudget(limit: ByteCount(1_600_000), reserve: .zero))
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        device.registry.lie { request, bytes in
            guard request.fields["range"] == nil else { return TinyReply(status: 503) }
            return TinyReply(body: bytes, cutAfter: 1_000_000)
        }
        let record = SlotRecord(slot: device.slot)
        let first = try await device.installer().plan(device.target(release), record: record)
        await #expect(throws: SlotFailure.self) { _ = try await device.installer().fetch(first) }
        let kept = device.store.blobs.partialSize(model).bytes
        #expect(kept > 500_000)
        device.registry.lie(nil)
        // Twice the blob would not fit into the budget: what is there of it is part of it.
        let again = try await device.installer().plan(device.target(release), record: record)
        let fetched = try await device.installer().fetch(again)
        #expect(fetched.bytes <= again.missing.bytes - kept)
        #expect(device.store.blobs.has(model))
        await device.close()
    }
}

/// What a registry had to give.
private final class Cost: Sendable {
    private let state = Mutex((requests: 0, bytes: 0))

    var all: (requests: Int, bytes: Int) { state.withLock { $0 } }

    func add(_ bytes: Int) {
        state.withLock {
            $0.requests += 1
            $0.bytes += bytes
        }
    }
}

/// Drives a slot's machine by the real installer, and skips the pauses.
private struct SlotDay {
    var machine: SlotMachine
    let device: DeviceFixture
    let serving: GenerationRecord?
    var reports: [String] = []
    var tries = 0
    var isFetched = false
    private var plan: InstallPlan?
    private let first: SlotTarget

    init(_ device: DeviceFixture, _ target: SlotTarget) throws {
        self.device = device
        first = target
        var record = SlotRecord(slot: device.slot)
        record.current = try SlotFixtures.generation(1, "0.9.0", 0)
        record.phase = .committed
        machine = SlotMachine(record: record)
        serving = machine.record.current
    }

    mutating func live(until end: Timestamp) async throws {
        var actions = handle(.assigned(first))
        while device.system.now < end {
            var next: [SlotAction] = []
            for action in actions {
                if case .wake(let time) = action {
                    device.system.now = max(device.system.now, time)
                    next += handle(.woke)
                } else if let event = await result(of: action) {
                    next += handle(event)
                }
            }
            if isFetched || next.isEmpty { return }
            actions = next
        }
    }

    private mutating func handle(_ event: SlotEvent) -> [SlotAction] {
        let step = machine.handle(event, now: device.system.now, random: 0)
        reports += step.reports.compactMap(\.code)
        return step.actions
    }

    private mutating func result(of action: SlotAction) async -> SlotEvent? {
        do {
            switch action {
            case .plan(let target):
                tries += 1
                let plan = try await device.installer().plan(target, record: machine.record)
                self.plan = plan
                return .planned(blobs: plan.blobs, missing: plan.missing, installed: plan.isInstalled)
            case .fetch:
                guard let plan else { return nil }
                let bytes = try await device.installer().fetch(plan)
                isFetched = true
                return .fetched(bytes: bytes, milliseconds: 1)
            default: return nil
            }
        } catch {
            return .failed(error as? SlotFailure ?? SlotFailure(.retry, code: "unexpected", message: "\(error)"))
        }
    }
}
