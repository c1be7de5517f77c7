import AgentEngine
import MartletTypes
import Testing

@Suite("The time on a box whose clock may be wrong")
struct AgentClockTests {
    private let build = Timestamp(seconds: 1_000_000)

    private func clock(system: Int64, signed: Int64) -> (AgentClock, TestClock) {
        let system = TestClock(Timestamp(seconds: system))
        return (AgentClock(signed: Timestamp(seconds: signed), system: { system.now }, build: build), system)
    }

    @Test(
        "It is the latest of system clock, newest signed time and build time",
        arguments: [(2_000_000, 0, 2_000_000), (0, 1_500_000, 1_500_000), (0, 0, 1_000_000)] as [(Int64, Int64, Int64)])
    func latest(_ system: Int64, _ signed: Int64, _ expected: Int64) {
        #expect(clock(system: system, signed: signed).0.now.seconds == expected)
    }

    @Test("One that jumped into the future is followed back when it is set right, and meanwhile nothing has ended")
    func jump() {
        let (clock, system) = clock(system: 2_000_000, signed: 1_900_000)
        // Not beyond all belief: a year, as after a first look at a time server that lies.
        system.now = Timestamp(seconds: 33_000_000)
        #expect(clock.now.seconds == 33_000_000)
        system.now = Timestamp(seconds: 2_000_100)
        #expect(clock.now.seconds == 2_000_100)
        // Small corrections let it stand still rather than fall.
        system.now = Timestamp(seconds: 2_000_000)
        #expect(clock.now.seconds >= 2_000_100)
    }

    @Test("An absurd time counts as none: it goes on from what is known, is not trusted, and mends")
    func absurd() {
        let tenYears: Int64 = 3650 * 86_400
        let (late, system) = clock(system: 2_000_000 + tenYears, signed: 2_000_000)
        #expect(late.now.seconds == 2_000_000)
        #expect(late.distrust?.contains("cannot be right") == true)
        system.now = Timestamp(seconds: 2_000_010)
        #expect(late.now.seconds == 2_000_010 && late.distrust == nil)
        system.now = Timestamp(seconds: 2_000_020 + tenYears)
        #expect((2_000_010...2_000_020).contains(late.now.seconds) && late.distrust != nil)
    }

    @Test("A signed time beyond all belief, as from a damaged journal, does not carry the clock away")
    func signedAbsurd() {
        let (clock, _) = clock(system: 2_000_000, signed: 90_000_000_000)
        #expect(clock.now.seconds == 2_000_000 && clock.distrust == nil)
    }

    @Test("It does not fall when the system clock is set back behind what is known, and follows it forward")
    func monotonic() {
        let (clock, system) = clock(system: 2_000_000, signed: 0)
        system.now = Timestamp(seconds: 5)
        #expect(clock.now.seconds >= 2_000_000)
        system.now = Timestamp(seconds: 3_000_000)
        #expect(clock.now.seconds == 3_000_000)
        system.now = Timestamp(seconds: 1)
        #expect(clock.now.seconds >= 3_000_000)
    }

    @Test("Whoever waits for it goes on when it is set right, and otherwise at the time that was meant")
    func wait() async throws {
        let (clock, system) = clock(system: 5, signed: 2_000_000)
        let waiting = Task { try await clock.sleep(until: Timestamp(seconds: 3_000_000), orTrusted: true) }
        try await clock.sleep(until: Timestamp(seconds: 2_000_000), orTrusted: true)
        #expect(clock.distrust != nil)
        system.now = Timestamp(seconds: 2_000_100)
        try await waiting.value
        #expect(clock.now < Timestamp(seconds: 3_000_000))
        // One that is right is no reason to wake anything else.
        let other = Task { try await clock.sleep(until: Timestamp(seconds: 3_000_000), orTrusted: false) }
        other.cancel()
        await #expect(throws: CancellationError.self) { try await other.value }
    }

    @Test("A system clock behind what signatures vouch for is not trusted, a few minutes aside")
    func distrust() {
        let (clock, system) = clock(system: 2_000_000, signed: 2_000_100)
        #expect(clock.distrust == nil)
        clock.vouch(Timestamp(seconds: 2_001_000))
        #expect(clock.distrust?.contains("1970-01-24T03:50:00Z") == true)
        clock.vouch(Timestamp(seconds: 1))
        #expect(clock.distrust != nil)
        system.now = Timestamp(seconds: 2_001_000)
        #expect(clock.distrust == nil)
    }
}
