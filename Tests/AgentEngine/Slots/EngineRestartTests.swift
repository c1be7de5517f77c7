import MartletTypes
import Testing

@testable import AgentEngine

@Suite("When an engine is started again")
struct EngineRestartTests {
    private let start = ContinuousClock.now

    @Test("the pauses double up to the longest, whether it became ready or could not be started")
    func pauses() {
        for becomesReady in [true, false] {
            var restarts = EngineRestarts()
            var now = start
            var pauses: [Duration] = []
            for _ in 0..<2_000 {
                restarts.ended(at: now)
                pauses.append(restarts.nextPause())
                now += pauses.last ?? .zero
                if becomesReady { restarts.ready(at: now) }
                now += .seconds(1)
            }
            #expect(pauses.prefix(3) == [.milliseconds(100), .milliseconds(200), .milliseconds(400)])
            #expect(pauses == pauses.sorted() && pauses.last == AgentLimits.longestRestart)
        }
    }

    @Test("the first pause is short again once an engine has lasted, however it ended then")
    func lasted() {
        var restarts = EngineRestarts()
        for _ in 0..<20 {
            restarts.ended(at: start)
            _ = restarts.nextPause()
        }
        restarts.ready(at: start)
        restarts.ended(at: start + AgentLimits.longestRestart)
        #expect(restarts.nextPause() == AgentLimits.firstRestart)
    }

    @Test("a crash loop is told once, then hourly for as long as it goes on, whatever the pauses between its ends")
    func told() {
        var restarts = EngineRestarts()
        var now = start
        var told: [Duration] = []
        while now < start + .seconds(5 * 3600) {
            restarts.ended(at: now)
            if restarts.takeLoop(at: now) != nil { told.append(now - start) }
            now += restarts.nextPause()
            restarts.ready(at: now)
            now += .milliseconds(300)
        }
        #expect(told.count == 5, "\(told)")
        #expect(told.first.map { $0 < .seconds(10) } ?? false)
        // One that served for long ends it; the next is told of anew.
        restarts.ready(at: now)
        now += AgentLimits.steadyRun
        for _ in 0..<AgentLimits.crashesInLoop - 1 {
            restarts.ended(at: now)
            #expect(restarts.takeLoop(at: now) == nil)
        }
        restarts.ended(at: now)
        #expect(restarts.takeLoop(at: now) == AgentLimits.crashesInLoop)
        #expect(restarts.takeLoop(at: now) == nil)
    }

    @Test(
        "five ends in a row are a loop however long each start took, and no loop where an engine lasted in between",
        arguments: [Duration.zero, .seconds(40), .seconds(1800)])
    func slowStarts(load: Duration) {
        var restarts = EngineRestarts()
        var now = start
        var told: [Int] = []
        // The third of them lasts.
        for end in 1...8 {
            restarts.ready(at: now)
            now += end == 3 ? AgentLimits.longestRestart : .seconds(1)
            restarts.ended(at: now)
            if restarts.takeLoop(at: now) != nil { told.append(end) }
            now += restarts.nextPause() + load
        }
        #expect(told == [7])
    }
}
