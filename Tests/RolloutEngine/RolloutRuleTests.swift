import MartletTypes
import RolloutEngine
import Testing

@Suite("The rules of a rollout")
struct RolloutRuleTests {
    private func box(_ name: String, _ labels: [String: String] = [:]) throws -> RolloutCandidate {
        RolloutCandidate(device: try DeviceID(name), labels: try Labels(labels))
    }

    @Test("A wave soaks before the next, which starts by itself when that is over")
    func soak() throws {
        let wave = RolloutWave(size: .count(1), soakSeconds: 60)
        var fixture = try RolloutFixture(3, RolloutPolicy(waves: [wave]))
        fixture.send(.start(by: "ann"))
        fixture.succeed()
        #expect(fixture.run.header.phase == .soaking)
        #expect(fixture.run.nextTick == fixture.now + .seconds(60))
        fixture.pass(seconds: 59)
        #expect(fixture.assigned.count == 1)
        fixture.pass(seconds: 1)
        #expect(fixture.assigned.count == 3)
        #expect(fixture.actions() == [.start, .startWave, .soak, .startWave])
    }

    @Test("A wave that a person must confirm waits, says so, and goes on once confirmed")
    func confirm() throws {
        var fixture = try RolloutFixture(3, RolloutPolicy(waves: [RolloutWave(size: .count(1), confirm: true)]))
        fixture.send(.start(by: "ann"))
        #expect(!fixture.run.permits(.confirm(by: "bob", reason: "")))
        fixture.succeed()
        #expect(fixture.run.header.phase == .confirming)
        fixture.pass(seconds: 100_000)
        #expect(fixture.assigned.count == 1)
        #expect(
            fixture.decisions.last?.reason
                == "wave 1 of 2 is over: 1 of 1 device succeeded; a person must confirm the next one")
        fixture.send(.confirm(by: "bob", reason: "looks good"))
        #expect(fixture.assigned.count == 3)
        #expect(fixture.run.header.reason == "wave 2 confirmed by bob: looks good")
    }

    @Test("The rate grows with successes and never starts more than it allows")
    func rate() throws {
        let policy = RolloutPolicy(rate: RolloutRate(perMinute: 6, growth: 2, growAfter: 2, maxPerMinute: 12))
        var fixture = try RolloutFixture(20, policy)
        fixture.send(.start(by: "ann"))
        #expect(fixture.assigned.count == 1)
        #expect(fixture.run.nextTick == fixture.now + .seconds(10))
        fixture.pass(seconds: 10)
        #expect(fixture.assigned.count == 2)
        fixture.pass(seconds: 60)
        #expect(fixture.assigned.count == 3, "time that nobody ticked is not made up for")
        fixture.succeed()
        var count = fixture.assigned.count
        for _ in 0..<60 { fixture.pass(seconds: 1) }
        #expect((11...13).contains(fixture.assigned.count - count))
        fixture.succeed()
        count = fixture.assigned.count
        for _ in 0..<20 { fixture.pass(seconds: 1) }
        #expect((3...5).contains(fixture.assigned.count - count), "it grows to its bound and no further")
    }

    @Test("A failed device is tried again after a growing time, as often as the policy says")
    func retry() throws {
        let retry = RolloutRetry(attempts: 2, backoffSeconds: 100, maxBackoffSeconds: 150)
        var fixture = try RolloutFixture(1, RolloutPolicy(retry: retry))
        fixture.send(.start(by: "ann"))
        let device = fixture.assigned[0]
        fixture.report(device, .failed, code: "network")
        #expect(fixture.state(device) == .pending && fixture.run.member(device)?.code == "network")
        #expect(fixture.run.header.state == .running)
        fixture.pass(seconds: 79)
        #expect(fixture.assigned.count == 1)
        fixture.pass(seconds: 21)
        #expect(fixture.assigned == [device, device])
        fixture.report(device, .failed, code: "network")
        fixture.pass(seconds: 119)
        #expect(fixture.assigned.count == 2)
        fixture.pass(seconds: 31)
        #expect(fixture.assigned.count == 3)
        fixture.report(device, .failed, code: "network")
        #expect(fixture.state(device) == .failed)
        #expect(fixture.run.header.state == .paused)
    }

    @Test(
        "Only causes that another attempt can cure are tried again",
        arguments: [
            ([], "network", true), ([], "evaluationFailed", false), ([], "policyRefused", false),
            ([], "engineRefused", false), ([], "invalidProbes", false), ([], "engineUnpackFailed", true),
            (["diskFull"], "diskFull", true), (["diskFull"], "network", false),
            (["engineExited"], "engineExited", true),
        ] as [([String], String, Bool)])
    func retryCauses(_ causes: [String], _ code: String, _ isRetried: Bool) throws {
        let policy = RolloutPolicy(maxFailures: nil, retry: RolloutRetry(attempts: 1, causes: causes))
        var fixture = try RolloutFixture(1, policy)
        fixture.send(.start(by: "ann"))
        fixture.report(fixture.assigned[0], .failed, code: code)
        #expect((fixture.state(fixture.assigned[0]) == .pending) == isRetried)
    }

    @Test("A device that waits for its conditions has its deadline stand still, but not for ever")
    func waiting() throws {
        var fixture = try RolloutFixture(1, RolloutPolicy(deviceDeadlineSeconds: 100))
        fixture.send(.start(by: "ann"))
        let device = fixture.assigned[0]
        fixture.pass(seconds: 60)
        fixture.report(device, .offered, code: UpdateConditions.waitingCode)
        for _ in 0..<48 { fixture.pass(seconds: 3600) }
        #expect(fixture.state(device) == .offered)
        fixture.report(device, .downloading)
        fixture.pass(seconds: 39)
        #expect(fixture.state(device) == .downloading)
        fixture.pass(seconds: 1)
        #expect(fixture.run.member(device)?.code == RolloutCode.timedOut)
        var other = try RolloutFixture(1, RolloutPolicy(deviceDeadlineSeconds: 100))
        other.send(.start(by: "ann"))
        other.report(device, .offered, code: UpdateConditions.waitingCode)
        for _ in 0..<24 * 8 { other.pass(seconds: 3600) }
        #expect(other.run.member(device)?.message == "waited for 8 days")
    }

    @Test("A leap of the clock is an hour at most: no deadline fires because the registry was away")
    func leap() throws {
        var fixture = try RolloutFixture(1, RolloutPolicy(deviceDeadlineSeconds: 7200))
        fixture.send(.start(by: "ann"))
        fixture.pass(seconds: 31_536_000)
        #expect(fixture.state(fixture.assigned[0]) == .offered)
        fixture.pass(seconds: 3600)
        #expect(fixture.state(fixture.assigned[0]) == .unreachable)
    }

    @Test("A threshold counts completed devices only, waits for its sample and for its bound")
    func threshold() throws {
        let threshold = FailureThreshold(maxShare: 0.2, minCompleted: 5, confidence: 0.9, onFailure: .stop)
        var fixture = try RolloutFixture(30, RolloutPolicy(maxFailures: nil, thresholds: [threshold]))
        fixture.send(.start(by: "ann"))
        let devices = fixture.assigned
        for device in devices[0..<3] { fixture.report(device, .succeeded) }
        fixture.report(devices[3], .failed, code: "engineExited")
        #expect(fixture.run.header.state == .running)
        fixture.report(devices[4], .failed, code: "engineExited")
        #expect(fixture.run.header.state == .running, "2 of 5 may be chance: the lower bound is 17 %")
        fixture.report(devices[5], .failed, code: "probeFailed")
        #expect(fixture.run.header.state == .aborted)
        #expect(fixture.run.header.cause == .thresholdCrossed)
        #expect(
            fixture.run.header.reason.hasPrefix(
                "stopped: 3 of 6 completed devices failed or timedOut: 50.0 %, at least 26.8 % with 90.0 % "
                    + "confidence > 20.0 % allowed: engineExited on"))
        #expect(fixture.decisions.last?.figures?.devices == 6)
    }

    @Test("A threshold may name causes and silent devices, and a person's resume accepts what there is")
    func thresholdOfCauses() throws {
        let threshold = FailureThreshold(
            outcomes: [.failed], causes: ["engineExited"], maxShare: 0, minCompleted: 2, confidence: 0.5)
        var fixture = try RolloutFixture(8, RolloutPolicy(maxFailures: nil, thresholds: [threshold]))
        fixture.send(.start(by: "ann"))
        let devices = fixture.assigned
        for device in devices[0..<3] { fixture.report(device, .failed, code: "network") }
        #expect(fixture.run.header.state == .running)
        fixture.report(devices[3], .failed, code: "engineExited")
        #expect(fixture.run.header.state == .paused)
        fixture.send(.resume(by: "ann", reason: ""))
        fixture.report(devices[4], .succeeded)
        #expect(fixture.run.header.state == .running)
        fixture.report(devices[5], .failed, code: "engineExited")
        #expect(fixture.run.header.state == .paused)
    }

    @Test("Only the wave at work goes back where the policy says so; a person may then go on, or take all back")
    func rollbackWave() throws {
        let policy = RolloutPolicy(waves: [.count(2), .count(4)], onFailure: .rollbackWave)
        var fixture = try RolloutFixture(6, policy)
        fixture.send(.start(by: "ann"))
        fixture.succeed()
        let second = fixture.wave(1)
        fixture.report(second[0], .failed, code: "engineExited")
        #expect(fixture.run.header.state == .rollingBack)
        #expect(Set(fixture.restored) == Set(second))
        for device in second { fixture.report(device, .succeeded) }
        #expect(fixture.run.header.state == .paused)
        #expect(fixture.run.header.cause == .waveRolledBack)
        #expect(fixture.wave(0).allSatisfy { fixture.state($0) == .succeeded })
        var other = fixture
        fixture.send(.resume(by: "ann", reason: ""))
        #expect(fixture.run.header.wave == 2)
        other.send(.rollback(by: "ann", reason: ""))
        #expect(Set(other.restored) == Set(second + other.wave(0)))
    }

    @Test("Stopped by a failure, devices keep what they have, and the reason says which")
    func stop() throws {
        var fixture = try RolloutFixture(4, RolloutPolicy(waves: [.count(2)], onFailure: .stop))
        fixture.send(.start(by: "ann"))
        fixture.report(fixture.assigned[0], .failed, code: "engineExited")
        #expect(fixture.run.header.state == .aborted)
        #expect(fixture.run.header.reason.hasPrefix("stopped: 1 of 2 devices failed"))
        #expect(fixture.restored.isEmpty)
    }

    @Test("Devices that are held or pinned are left out, and come in again when let go")
    func holds() throws {
        let pinned = RolloutCandidate(
            device: try DeviceID("pi-2"), exclusion: .init(code: RolloutCode.pinned, message: "by bob"))
        let candidates = [try box("pi-1"), pinned, try box("pi-3")]
        var fixture = try RolloutFixture(candidates, RolloutPolicy(maxInFlight: 1))
        fixture.send(.start(by: "ann"))
        let last = try #require(fixture.run.members.last { $0.state == .pending }).device
        fixture.send(.deviceHeld(last, code: RolloutCode.held, by: "bob"))
        #expect(fixture.state(last) == .skipped)
        fixture.send(.deviceReleased(pinned.device))
        fixture.succeed()
        #expect(fixture.assigned.contains(pinned.device))
        fixture.succeed()
        #expect(fixture.run.header.state == .completed)
        #expect(!fixture.assigned.contains(last))
        #expect(fixture.run.outcomes == [.succeeded: 2, .skipped: 1])
    }

    @Test("To let a device in again does not send it where it was refused")
    func releasedAfterRefusal() throws {
        var fixture = try RolloutFixture(2)
        _ = fixture.run.handle(.start(by: "ann"), now: fixture.now)
        let device = fixture.run.members[0].device
        fixture.send(.deviceHeld(device, code: RolloutCode.held, by: "bob"))
        fixture.send(.refused(device, code: "belowFloor", message: ""))
        fixture.send(.deviceReleased(device))
        #expect(fixture.state(device) == .skipped)
        #expect(fixture.run.member(device)?.outcome == .refused)
        #expect(!fixture.assigned.contains(device))
    }

    @Test("Late joiners are appended to the last wave where membership is dynamic, and ignored where it is frozen")
    func joiners() throws {
        for membership in RolloutPolicy.Membership.allCases {
            var fixture = try RolloutFixture(2, RolloutPolicy(waves: [.count(1)], membership: membership))
            fixture.send(.start(by: "ann"))
            fixture.send(.joined([try box("new-1"), try box("pi-1")]))
            fixture.succeed()
            fixture.succeed()
            #expect(fixture.run.header.state == .completed)
            #expect(fixture.assigned.count == (membership == .dynamic ? 3 : 2))
            #expect(fixture.run.members.last?.wave == 1)
        }
    }

    @Test("Devices that are lost together are not started in each other's place")
    func lostTogether() throws {
        var fixture = try RolloutFixture(5, RolloutPolicy(maxInFlight: 1))
        fixture.send(.start(by: "ann"))
        let lost = fixture.run.members.prefix(4).map(\.device)
        let kept = try #require(fixture.run.members.last?.device)
        #expect(fixture.assigned == [lost[0]])
        fixture.send(.devicesSuperseded(lost, by: "r-2"))
        #expect(fixture.assigned == [lost[0], kept])
        #expect(fixture.run.counts == [.superseded: 4, .offered: 1])
    }

    @Test("Why an attempt failed is kept while the next is under way, and a long message is cut with an ellipsis")
    func lastFailure() throws {
        var fixture = try RolloutFixture(1, RolloutPolicy(maxFailures: 0))
        fixture.send(.start(by: "ann"))
        let device = fixture.assigned[0]
        let long = String(repeating: "x", count: 2 * RolloutLimits.messageCharacters)
        fixture.send(
            .reported(
                RolloutEvent.DeviceReport(
                    device: device, generation: 1, state: .failed, code: "engineExited", message: long)))
        #expect(fixture.run.header.reason.contains("xxx…)") && !fixture.run.header.reason.contains(long))
        fixture.send(.retry(by: "bob", devices: [], reason: "the disk was cleaned"))
        #expect(fixture.decisions.last { $0.action == .retry }?.reason.hasSuffix(": the disk was cleaned") == true)
        fixture.send(.resume(by: "bob", reason: ""))
        fixture.report(device, .downloading, code: "planning")
        let member = try #require(fixture.run.member(device))
        #expect(member.code == "planning" && member.lastFailure == "engineExited: \(long)")
        let again = try JSONText.decode(RolloutMember.self, from: try JSONText.encode(member))
        #expect(again == member)
    }

    @Test("A person has failed devices tried again, also after the end, and refused ones never")
    func retryByPerson() throws {
        var fixture = try RolloutFixture(3, RolloutPolicy(maxFailures: 2))
        fixture.send(.start(by: "ann"))
        let devices = fixture.assigned
        fixture.report(devices[0], .succeeded)
        fixture.report(devices[1], .failed, code: "engineExited")
        fixture.report(devices[2], .failed, code: "policyRefused")
        #expect(fixture.run.header.state == .completed)
        #expect(fixture.run.outcomes == [.succeeded: 1, .failed: 1, .refused: 1])
        #expect(fixture.run.permits(.retry(by: "bob", devices: [])))
        fixture.send(.retry(by: "bob", devices: []))
        #expect(fixture.run.header.state == .running)
        #expect(fixture.assigned == devices + [devices[1]])
        fixture.report(devices[1], .succeeded)
        #expect(fixture.run.header.state == .completed)
        #expect(fixture.run.succeeded == 2)
        fixture.send(.retry(by: "bob", devices: [devices[2]]))
        #expect(fixture.run.header.state == .completed)
        #expect(fixture.decisions.last?.reason.contains("no device failed that may have one") == true)
    }

    @Test("A rollout that reached nobody is over, and does not look like success")
    func noneSucceeded() throws {
        var fixture = try RolloutFixture(2, RolloutPolicy(deviceDeadlineSeconds: 60))
        fixture.send(.start(by: "ann"))
        fixture.pass(seconds: 60)
        #expect(fixture.run.header.state == .completed)
        #expect(fixture.run.header.cause == .noneSucceeded)
        #expect(fixture.run.succeeded == 0)
        #expect(
            fixture.run.header.reason.hasPrefix("not one device serves the target: 0 of 2 devices succeeded; 2 unre"))
    }

    @Test("A large rollout is started and taken back in steps, each of which asks for the next")
    func steps() throws {
        let count = 2 * RolloutLimits.commandsPerStep + 10
        var fixture = try RolloutFixture(count)
        fixture.send(.start(by: "ann"))
        #expect(fixture.assigned.count == RolloutLimits.commandsPerStep)
        #expect(fixture.run.hasMoreToStart)
        while let next = fixture.run.nextTick, next <= fixture.now { fixture.send(.tick) }
        #expect(fixture.assigned.count == count)
        #expect(!fixture.run.hasMoreToStart)
        fixture.send(.rollback(by: "ann", reason: ""))
        #expect(fixture.restored.count == RolloutLimits.commandsPerStep)
        while let next = fixture.run.nextTick, next <= fixture.now { fixture.send(.tick) }
        #expect(fixture.restored.count == count)
    }
}

@Suite("The plan of waves by labels")
struct WavePlanRuleTests {
    private func boxes() throws -> [RolloutCandidate] {
        try (0..<40).map { number in
            RolloutCandidate(
                device: try DeviceID("d\(number)"),
                labels: try Labels([
                    "site": number < 10 ? "berlin" : "paris", "ring": number % 20 == 0 ? "canary" : "main",
                ]))
        }
    }

    @Test("Selectors choose waves, sizes count within them, and the order puts canaries first")
    func selectors() throws {
        let berlin = try LabelSelector("site=berlin")
        let policy = RolloutPolicy(
            waves: [
                .count(1), RolloutWave(size: .percent(50), selector: berlin, soakSeconds: 5),
                RolloutWave(selector: berlin, confirm: true),
            ], order: [try LabelSelector("ring=canary")])
        let plan = WavePlan.plan(of: try boxes(), policy: policy, seed: "s")
        let first = plan[0].devices.map(\.device.text)
        #expect(first == ["d0"] || first == ["d20"])
        let before = first == ["d0"] ? 1 : 0
        #expect(plan.map(\.devices.count) == [1, 5 - before, 5, 30 - (1 - before)])
        #expect(plan[1].devices.allSatisfy { berlin.matches($0.labels) })
        #expect(plan.map(\.confirm) == [false, false, true, false])
        #expect(plan.map(\.soakSeconds) == [0, 5, 0, 0])
        #expect(plan[3].rule == nil)
        #expect(plan[before == 1 ? 3 : 1].devices.first?.labels.values["ring"] == "canary")
    }

    @Test("A wave that would be empty leaves its soak and its confirmation to the one before")
    func emptyWave() throws {
        let policy = RolloutPolicy(waves: [
            .percent(1), RolloutWave(size: .percent(2), soakSeconds: 9, confirm: true),
        ])
        let plan = WavePlan.plan(of: try boxes().prefix(10), policy: policy, seed: "s")
        #expect(plan.map(\.devices.count) == [1, 9])
        #expect(plan[0].confirm && plan[0].soakSeconds == 9)
    }
}
