import AgentEngine
import ModelRuntime
import Synchronization
import TestSupport
import Testing

@Suite("Footprint")
struct FootprintTests {
    @Test("memory is let go of after the start and once after each stretch of work, and never without work")
    func afterWork() async throws {
        let work = WakeSignal()
        let releases = Counter()
        let footprint = Footprint(work: work, settle: .milliseconds(200)) {
            releases.count()
            return true
        }
        let service = Task { try await footprint.run() }
        try await eventually(within: 120, "the start is over") { releases.value == 1 }
        for _ in 0..<5 { work.ring() }
        try await eventually(within: 120, "the work is over") { releases.value == 2 }
        // Nothing rang since: whatever comes later comes of this ring alone.
        work.ring()
        try await eventually(within: 120, "the next work is over") { releases.value == 3 }
        service.cancel()
        try await service.value
        #expect(releases.value == 3)
    }

    @Test("where the kernel refuses, it is not asked again")
    func refused() async throws {
        let releases = Counter()
        try await Footprint(work: WakeSignal(), settle: .zero) {
            releases.count()
            return false
        }.run()
        #expect(releases.value == 1)
    }

    @Test("while requests run nothing is let go of, and the next work is waited for")
    func busy() async throws {
        let work = WakeSignal()
        let (looks, releases) = (Counter(), Counter())
        let footprint = Footprint(
            work: work, settle: .zero,
            release: {
                releases.count()
                return true
            },
            isBusy: {
                looks.count()
                return looks.value < 3
            })
        let service = Task { try await footprint.run() }
        try await eventually(within: 120, "requests are over") {
            work.ring()
            return releases.value > 0
        }
        #expect(looks.value >= 3)
        service.cancel()
        try await service.value
    }

    @Test("a program goes on after it let go of its code and constants")
    func release() {
        #expect(IdleMemory.release())
        #expect([3, 1, 2].sorted().map(String.init).joined() == "123")
    }
}

private final class Counter: Sendable {
    private let state = Mutex(0)
    var value: Int { state.withLock { $0 } }
    func count() { state.withLock { $0 += 1 } }
}
