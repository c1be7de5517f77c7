import RolloutView
import Testing

@Suite("The rhythm in which a rollout is looked at")
struct WatchRhythmTests {
    /// A look at this moment that took so long.
    private func look(_ rhythm: inout WatchRhythm, at begin: Duration, taking length: Duration = .zero) {
        rhythm.looks()
        rhythm.looked(asked: begin, at: begin + length)
    }

    @Test("it is looked at once, then twice a second without a stream, and seldom beside one that tells nothing")
    func pauses() {
        var rhythm = WatchRhythm()
        #expect(rhythm.next == .zero)
        look(&rhythm, at: .seconds(1))
        #expect(rhythm.next == .milliseconds(1500))
        rhythm.opened()
        #expect(rhythm.next == .seconds(3))
    }

    @Test("what the stream tells is looked at soon, also where it was told while the last look was under way")
    func told() {
        var rhythm = WatchRhythm()
        rhythm.opened()
        look(&rhythm, at: .seconds(1))
        rhythm.heard()
        #expect(rhythm.next == .milliseconds(1200))
        rhythm.looks()
        rhythm.heard()
        rhythm.looked(asked: .seconds(2), at: .milliseconds(2010))
        #expect(rhythm.next == .milliseconds(2210))
        look(&rhythm, at: .seconds(3))
        #expect(rhythm.next == .seconds(5))
    }

    @Test("looks that take long are rare, whatever the stream tells")
    func slow() {
        var rhythm = WatchRhythm()
        rhythm.opened()
        look(&rhythm, at: .seconds(10), taking: .seconds(3))
        rhythm.heard()
        #expect(rhythm.next == .seconds(13 + 12))
    }

    @Test("a stream that is missing for long is told of once, with the reason, and once that it is back")
    func notices() throws {
        var rhythm = WatchRhythm()
        var notices: [String?] = []
        for second in 4...6 { notices.append(rhythm.notice(at: .seconds(second))) }
        #expect(rhythm.isWithoutStream)
        rhythm.opened()
        notices.append(rhythm.notice(at: .seconds(7)))
        #expect(!rhythm.isWithoutStream)
        rhythm.lost("connectionLost", at: .seconds(60))
        notices.append(rhythm.notice(at: .seconds(61)))
        rhythm.lost("tooManyStreams", at: .seconds(64))
        notices.append(rhythm.notice(at: .seconds(65)))
        let parts: [String?] = [nil, "it has not begun", nil, "there again", nil, "(tooManyStreams)"]
        #expect(notices.count == parts.count)
        for (notice, part) in zip(notices, parts) {
            #expect((notice == nil) == (part == nil) && notice?.contains(part ?? "") != false, "\(notices)")
        }
    }

    @Test("a stream that is soon back is not worth a word, nor is one of a registry that is away")
    func quiet() {
        var rhythm = WatchRhythm()
        rhythm.opened()
        rhythm.lost("connectionLost", at: .seconds(10))
        rhythm.opened()
        let soon = rhythm.notice(at: .seconds(30))
        #expect(soon == nil)
        rhythm.lost("connectionLost", at: .seconds(40))
        rhythm.away(asked: .seconds(58), at: .seconds(58))
        let away = rhythm.notice(at: .seconds(60))
        rhythm.opened()
        let back = rhythm.notice(at: .seconds(70))
        #expect(away == nil && back == nil)
    }
}
