import MartletTypes
import RolloutEngine
import Testing

@Suite("A rollout")
struct RolloutRunTests {
    @Test("moves wave by wave, each only after the one before, and completes with its numbers")
    func waves() throws {
        var fixture = try RolloutFixture(10, RolloutPolicy(waves: [.count(1), .percent(50)]))
        fixture.send(.start(by: "ann"))
        #expect(fixture.run.header.waveCount == 3)
        for (wave, size) in [1, 4, 5].enumerated() {
            #expect(fixture.run.header.wave == wave)
            #expect(fixture.wave(wave).count == size)
            #expect(Set(fixture.assigned) == Set((0...wave).flatMap(fixture.wave)))
            for device in fixture.wave(wave) {
                fixture.report(device, .downloading)
                fixture.report(device, .succeeded)
            }
        }
        #expect(fixture.run.header.state == .completed)
        #expect(fixture.run.header.reason == "10 of 10 devices succeeded")
        #expect(fixture.actions() == [.start, .startWave, .startWave, .startWave, .complete])
        #expect(
            fixture.decisions[2].reason.hasPrefix("wave 2 of 3 after 1 of 1 device of wave 1 succeeded: 4 devices (pi-")
        )
    }

    @Test("stops at a failed gate and names devices, causes and numbers")
    func failedGate() throws {
        var fixture = try RolloutFixture(1)
        let device = try DeviceID("pi-1")
        fixture.send(.start(by: "ann"))
        let result = EvaluationResult(rows: 100, correct: 83, failed: 0, medianMilliseconds: 1, minAccuracy: 0.9)
        fixture.report(device, .failed, code: "evaluationFailed", evaluation: result)
        #expect(fixture.run.header.state == .paused)
        #expect(
            fixture.run.header.reason
                == "1 of 1 device failed, 0 allowed: evaluationFailed on pi-1 (accuracy 0.83 < 0.90)")
        #expect(fixture.actions().last == .pause)
    }

    @Test("goes on with as many failures as the policy allows, and stops at one more")
    func failuresAllowed() throws {
        var fixture = try RolloutFixture(5, RolloutPolicy(maxFailures: 1))
        fixture.send(.start(by: "ann"))
        fixture.report(fixture.assigned[0], .failed, code: "engineExited")
        #expect(fixture.run.header.state == .running)
        fixture.report(fixture.assigned[1], .rolledBack, code: "engineExited")
        #expect(fixture.run.header.state == .paused)
        #expect(fixture.run.header.reason.contains("2 of 5 devices failed, 1 allowed: engineExited on"))
    }

    @Test("accepts the failures so far when a person resumes it, and no more than allowed after that")
    func resumed() throws {
        var fixture = try RolloutFixture(4, RolloutPolicy(waves: [.count(2)]))
        fixture.send(.start(by: "ann"))
        fixture.report(fixture.assigned[0], .failed, code: "x")
        #expect(fixture.run.header.state == .paused)
        fixture.send(.resume(by: "bob", reason: "known board"))
        #expect(fixture.run.header.state == .running)
        #expect(fixture.run.header.reason == "resumed by bob, accepting that 1 device failed: known board")
        fixture.report(fixture.assigned[1], .succeeded)
        #expect(fixture.assigned.count == 4)
        fixture.report(fixture.assigned[2], .failed, code: "y")
        #expect(fixture.run.header.state == .paused)
        #expect(fixture.run.header.reason.contains("(1 were accepted)"))
    }

    @Test("rolls back by itself where the policy says so, taking back every device that it moved and no other")
    func rollsBack() throws {
        var fixture = try RolloutFixture(6, RolloutPolicy(waves: [.count(3)], onFailure: .rollbackAll))
        fixture.send(.start(by: "ann"))
        let moved = fixture.assigned
        fixture.report(moved[0], .succeeded)
        fixture.report(moved[1], .failed, code: "engineExited")
        #expect(fixture.run.header.state == .rollingBack)
        #expect(Set(fixture.restored) == Set(moved))
        for device in moved { fixture.report(device, .succeeded) }
        #expect(fixture.run.header.state == .rolledBack)
        #expect(fixture.decisions.last?.reason == "3 of 3 devices confirmed that they are back")
        #expect(moved.allSatisfy { fixture.state($0) == .rolledBack })
        #expect(fixture.wave(1).allSatisfy { fixture.state($0) == .skipped })
    }

    @Test("can be rolled back by a person after it has completed")
    func rollbackAfterEnd() throws {
        var fixture = try RolloutFixture(2)
        fixture.send(.start(by: "ann"))
        for device in fixture.assigned { fixture.report(device, .succeeded) }
        #expect(fixture.run.header.state == .completed)
        fixture.send(.rollback(by: "bob", reason: "too slow"))
        #expect(fixture.run.header.state == .rollingBack)
        #expect(fixture.run.header.reason == "rolled back by bob: too slow")
        fixture.report(fixture.assigned[0], .succeeded)
        fixture.pass(seconds: Int64(RolloutLimits.restoreSeconds))
        #expect(fixture.run.header.state == .rolledBack)
        #expect(fixture.decisions.last?.reason.contains("1 of 2 devices confirmed") == true)
        #expect(fixture.state(fixture.assigned[1]) == .unreachable)
    }

    @Test("never has more devices in flight than allowed")
    func inFlight() throws {
        var fixture = try RolloutFixture(5, RolloutPolicy(maxInFlight: 2))
        fixture.send(.start(by: "ann"))
        #expect(fixture.assigned.count == 2)
        fixture.report(fixture.assigned[0], .soaking)
        #expect(fixture.assigned.count == 2)
        fixture.report(fixture.assigned[0], .succeeded)
        #expect(fixture.assigned.count == 3)
    }

    @Test("is not stalled by a box that is switched off, and does not count it as a failure of the release")
    func silentDevice() throws {
        var fixture = try RolloutFixture(3, RolloutPolicy(waves: [.count(2)], deviceDeadlineSeconds: 60))
        fixture.send(.start(by: "ann"))
        fixture.report(fixture.assigned[0], .succeeded)
        fixture.pass(seconds: 59)
        #expect(fixture.assigned.count == 2)
        fixture.pass(seconds: 1)
        #expect(fixture.state(fixture.assigned[1]) == .unreachable)
        #expect(fixture.assigned.count == 3)
        fixture.report(fixture.assigned[2], .downloading)
        fixture.pass(seconds: 60)
        #expect(fixture.state(fixture.assigned[2]) == .failed)
        #expect(fixture.run.member(fixture.assigned[2])?.code == RolloutCode.timedOut)
        #expect(fixture.run.header.state == .paused)
        #expect(fixture.run.header.reason.contains("timedOut on \(fixture.assigned[2]) (still downloading after 60 s)"))
    }

    @Test("waits for a person when a wave ends and none of its devices says anything about the release")
    func noEvidence() throws {
        var fixture = try RolloutFixture(3, RolloutPolicy(waves: [.count(1)], deviceDeadlineSeconds: 60))
        fixture.send(.start(by: "ann"))
        fixture.pass(seconds: 60)
        #expect(fixture.run.header.state == .paused)
        #expect(fixture.run.header.reason.hasPrefix("none of the 1 device of wave 1 serves the target"))
        fixture.send(.resume(by: "ann", reason: ""))
        #expect(fixture.assigned.count == 3)
    }

    @Test("takes a late outcome of a device that it had given up, whatever its own state")
    func lateOutcome() throws {
        var fixture = try RolloutFixture(1, RolloutPolicy(deviceDeadlineSeconds: 60))
        fixture.send(.start(by: "ann"))
        fixture.pass(seconds: 60)
        #expect(fixture.run.header.state == .completed)
        fixture.report(fixture.assigned[0], .downloading)
        #expect(fixture.state(fixture.assigned[0]) == .unreachable)
        fixture.report(fixture.assigned[0], .succeeded)
        #expect(fixture.state(fixture.assigned[0]) == .succeeded)
        #expect(fixture.run.header.state == .completed)
    }

    @Test("ignores reports that are double, late, out of order, about another generation, or of a stranger")
    func harmlessReports() throws {
        var fixture = try RolloutFixture(2)
        fixture.send(.start(by: "ann"))
        let device = fixture.assigned[0]
        fixture.report(device, .probing)
        let before = fixture.run
        fixture.report(device, .probing)
        fixture.report(device, .downloading)
        fixture.send(
            .reported(.init(device: device, generation: 77, state: .failed, code: "other")))
        fixture.send(
            .reported(.init(device: try DeviceID("stranger"), generation: 1, state: .failed, code: "other")))
        #expect(fixture.run == before)
        fixture.report(device, .succeeded)
        let done = fixture.run
        fixture.report(device, .failed, code: "late")
        #expect(fixture.run == done)
    }

    @Test("leaves alone a device that is gone or that a newer rollout has moved, also when it rolls back")
    func takenDevices() throws {
        var fixture = try RolloutFixture(3)
        fixture.send(.start(by: "ann"))
        let devices = fixture.assigned
        fixture.report(devices[0], .succeeded)
        fixture.send(.devicesSuperseded([devices[0]], by: "r-2"))
        fixture.send(.deviceGone(devices[1]))
        #expect(fixture.state(devices[1]) == .skipped)
        #expect(fixture.run.member(devices[1])?.code == RolloutCode.deviceGone)
        fixture.send(.rollback(by: "ann", reason: ""))
        #expect(fixture.restored == [devices[2]])
    }

    @Test("ends when a newer rollout takes over, and says which")
    func superseded() throws {
        var fixture = try RolloutFixture(3, RolloutPolicy(maxInFlight: 1))
        fixture.send(.start(by: "ann"))
        fixture.send(.superseded(by: "r-2"))
        #expect(fixture.run.header.state == .aborted)
        #expect(fixture.run.header.reason == "superseded by r-2")
        #expect(fixture.run.members.allSatisfy { $0.state == .superseded })
        fixture.pass(seconds: 1_000)
        #expect(fixture.assigned.count == 1)
    }

    @Test("skips a device whose assignment was refused and goes on")
    func refused() throws {
        var fixture = try RolloutFixture(2, RolloutPolicy(maxInFlight: 1))
        let commands = fixture.run.handle(.start(by: "ann"), now: fixture.now)
        guard case .assign(let first)? = commands.last else {
            Issue.record("no device was assigned")
            return
        }
        fixture.send(.refused(first, code: "conflict", message: "clinic/triage:2.0.0 is blocked."))
        #expect(fixture.state(first) == .skipped)
        #expect(fixture.assigned.count == 1)
        #expect(fixture.assigned != [first])
    }

    @Test("asks again for an assignment that was lost between deciding and doing")
    func lostCommand() throws {
        var fixture = try RolloutFixture(1)
        _ = fixture.run.handle(.start(by: "ann"), now: fixture.now)
        fixture.send(.tick)
        #expect(fixture.assigned.count == 1)
        fixture.send(.tick)
        #expect(fixture.assigned.count == 1)
    }

    @Test("completes at once where no device matches")
    func empty() throws {
        var fixture = try RolloutFixture(0)
        fixture.send(.start(by: "ann"))
        #expect(fixture.run.header.state == .completed)
        #expect(fixture.run.header.cause == .noneSucceeded)
        #expect(fixture.run.header.reason == "not one device serves the target: 0 of 0 devices succeeded")
    }

    @Test("a clock that went back starts deadlines anew instead of stalling or giving up")
    func clockBack() throws {
        var fixture = try RolloutFixture(1, RolloutPolicy(deviceDeadlineSeconds: 60))
        fixture.send(.start(by: "ann"))
        fixture.now = Timestamp(seconds: 10)
        fixture.send(.tick)
        #expect(fixture.run.header.state == .running)
        fixture.pass(seconds: 60)
        #expect(fixture.run.header.state == .completed)
    }

    @Test(
        "permits to steer it only where that has an effect",
        arguments: [
            (RolloutState.draft, [false, false, true, false]), (.running, [true, false, true, true]),
            (.paused, [false, true, true, true]), (.completed, [false, false, false, true]),
            (.rollingBack, [false, false, true, false]), (.aborted, [false, false, false, true]),
        ])
    func permits(_ state: RolloutState, _ expected: [Bool]) throws {
        var fixture = try RolloutFixture(1)
        if state != .draft { fixture.send(.start(by: "ann")) }
        switch state {
        case .paused: fixture.send(.pause(by: "ann", reason: ""))
        case .completed: fixture.report(fixture.assigned[0], .succeeded)
        case .rollingBack: fixture.send(.rollback(by: "ann", reason: ""))
        case .aborted: fixture.send(.abort(by: "ann", reason: ""))
        case .draft, .running, .rolledBack: break
        }
        #expect(fixture.run.header.state == state)
        let events: [RolloutEvent] = [
            .pause(by: "a", reason: ""), .resume(by: "a", reason: ""), .abort(by: "a", reason: ""),
            .rollback(by: "a", reason: ""),
        ]
        #expect(events.map(fixture.run.permits) == expected)
        let before = fixture.run
        for (event, isPermitted) in zip(events, expected) where !isPermitted { fixture.send(event) }
        #expect(fixture.run == before)
    }
}

@Suite("The plan of waves")
struct WavePlanTests {
    private func devices(_ count: Int) throws -> [DeviceID] { try (0..<count).map { try DeviceID("d\($0)") } }

    @Test(
        "is cumulative, rounds shares up, and gives the last wave what is left",
        arguments: [
            (10, [], [10]), (10, ["1", "50%"], [1, 4, 5]), (3, ["1%"], [1, 2]), (3, ["5", "100%"], [3]),
            (4, ["2", "1", "50%"], [2, 2]), (0, ["1"], []), (1000, ["0.1%", "10%", "100%"], [1, 99, 900]),
        ] as [(Int, [String], [Int])])
    func sizes(_ count: Int, _ sizes: [String], _ expected: [Int]) throws {
        let policy = try sizes.map { RolloutWave(size: try RolloutPolicy.WaveSize($0)) }
        #expect(WavePlan.waves(of: try devices(count), by: policy, seed: "s").map(\.count) == expected)
    }

    @Test("does not depend on the order or doubles of the members, and keeps places when others leave")
    func stable() throws {
        let all = try devices(50)
        let order = WavePlan.waves(of: all, by: [], seed: "s")[0]
        #expect(WavePlan.waves(of: all.reversed() + all, by: [], seed: "s")[0] == order)
        #expect(WavePlan.waves(of: all, by: [], seed: "t")[0] != order)
        let left = Set(order.dropFirst(20))
        #expect(WavePlan.waves(of: left, by: [], seed: "s")[0] == Array(order.dropFirst(20)))
    }
}
