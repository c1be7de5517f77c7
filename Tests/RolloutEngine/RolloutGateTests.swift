import MartletTypes
import RolloutEngine
import Testing

@Suite("The gates of a rollout")
struct RolloutGateTests {
    /// A rollout whose first wave is over, with one gate.
    private func measured(
        _ gate: RolloutGatePolicy, first: Int = 1, of count: Int = 10, onFailure: RolloutPolicy.OnFailure = .rollbackAll
    ) throws -> RolloutFixture {
        var fixture = try RolloutFixture(
            count, RolloutPolicy(waves: [.count(first)], maxFailures: nil, gates: [gate], onFailure: onFailure))
        fixture.send(.start(by: "ann"))
        fixture.succeed()
        return fixture
    }

    private let latency = RolloutGatePolicy(metric: .timePerOutputToken, baseline: .init(tolerance: 1.2))

    @Test("A release slower by half is caught on one device by its own previous generation, and rolled back")
    func onePreviousGeneration() throws {
        var fixture = try measured(latency)
        #expect(fixture.run.header.phase == .measuring)
        #expect(fixture.run.nextMeasurement == fixture.now)
        #expect(fixture.assigned.count == 1)
        fixture.observe(.timePerOutputToken, [0.152], previous: [0.1])
        #expect(fixture.run.header.state == .rollingBack)
        #expect(fixture.run.header.cause == .gateFailed)
        #expect(
            fixture.run.header.reason
                == "time_per_output_token.p50: median ratio 1.52 > 1.20 on 1 device each against its own previous "
                + "generation: too few devices for a test, on 1 of 1 device; worst: \(fixture.assigned[0])")
        let decision = try #require(fixture.decisions.first { $0.action == .gateFailed })
        let figures = try #require(decision.figures)
        #expect(figures.method == .effectOnly && figures.devices == 1 && figures.bound == 1.2)
        #expect(abs((figures.effect ?? 0) - 1.52) < 1e-9)
        #expect(fixture.restored == fixture.assigned)
    }

    @Test("A release that is as fast passes, and the next wave starts")
    func passes() throws {
        var fixture = try measured(latency)
        fixture.observe(.timePerOutputToken, [0.11], previous: [0.1])
        #expect(fixture.run.header.wave == 1)
        #expect(fixture.assigned.count == 10)
        #expect(fixture.actions().contains(.gatePassed))
        fixture.succeed()
        #expect(fixture.run.header.phase == .measuring)
        fixture.observe(
            .timePerOutputToken, Array(repeating: 0.1, count: 10), previous: Array(repeating: 0.1, count: 10))
        #expect(fixture.run.header.state == .completed)
    }

    @Test("Three devices slower by half are caught against two that are not updated, or against themselves")
    func threeDevices() throws {
        for (previous, baseline) in [([], [0.1, 0.11]), ([0.1, 0.1, 0.11], []), ([0.1, 0.1, 0.11], [0.1, 0.1])] {
            var fixture = try measured(latency, first: 3, of: 5)
            fixture.observe(.timePerOutputToken, [0.15, 0.16, 0.155], previous: previous, baseline: baseline)
            #expect(fixture.run.header.state == .rollingBack, "\(fixture.run.header.reason)")
            #expect(fixture.run.header.gates[0].figures?.method == .effectOnly)
        }
    }

    @Test("Enough devices are tested: by Mann–Whitney against others, by signed ranks against themselves")
    func tested() throws {
        let slow = [0.15, 0.16, 0.155, 0.149, 0.151, 0.15]
        for (previous, baseline, method) in [
            ([], [0.1, 0.11, 0.105, 0.1], GateFigures.Method.mannWhitney),
            ([0.1, 0.1, 0.11, 0.1, 0.09, 0.1], [], .signedRank),
        ] {
            var fixture = try measured(latency, first: 6)
            fixture.observe(.timePerOutputToken, slow, previous: previous, baseline: baseline)
            let figures = try #require(fixture.run.header.gates[0].figures)
            #expect(figures.method == method)
            #expect(figures.verdict == .failed, "\(figures.sentence)")
            #expect((figures.probability ?? 1) < 0.05)
            #expect(figures.worst.first == fixture.assigned[1])
        }
    }

    @Test("What may be chance is inconclusive, is measured again, and then waits for a person, who may accept it")
    func inconclusive() throws {
        var gate = latency
        gate.inconclusiveLimit = 2
        var fixture = try measured(gate, first: 4)
        let noisy = [0.2, 0.1, 0.21, 0.13]
        for count in 1...3 {
            #expect(fixture.run.header.state == .running)
            fixture.observe(.timePerOutputToken, noisy, baseline: [0.1, 0.2, 0.11, 0.1])
            #expect(fixture.run.header.gates[0].figures?.verdict == .inconclusive)
            #expect(fixture.run.header.gates[0].inconclusive == count)
            fixture.pass(seconds: 60)
        }
        #expect(fixture.run.header.state == .paused)
        #expect(fixture.run.header.cause == .inconclusive)
        #expect(fixture.run.header.reason.contains("which may be chance"))
        #expect(fixture.run.header.reason.hasSuffix("measured 3 times without an answer, a person must decide"))
        fixture.send(.resume(by: "ann", reason: "looks fine"))
        #expect(fixture.run.header.reason.contains("accepting what time_per_output_token.p50 says of wave 1"))
        #expect(fixture.run.header.wave == 1)
        fixture.succeed()
        #expect(fixture.run.header.phase == .measuring)
        #expect(fixture.run.header.gates[0].acceptedWave == nil)
    }

    @Test("Too little data is never guessed at")
    func tooLittle() throws {
        var fixture = try measured(latency)
        fixture.observe(.timePerOutputToken, [0.2], previous: [0.1], samples: 19)
        #expect(fixture.run.header.gates[0].figures?.verdict == .inconclusive)
        #expect(fixture.run.header.gates[0].figures?.sentence.contains("0 of 1 device needed have measured") == true)
        fixture.pass(seconds: 60)
        fixture.observe(.timePerOutputToken, [0.2])
        #expect(fixture.run.header.gates[0].figures?.sentence.contains("too little to compare 1 device with") == true)
        fixture.observe(.timePerOutputToken, [0.2], previous: [0.1])
        #expect(fixture.run.header.gates[0].inconclusive == 2, "a measurement that is not due is not counted")
    }

    @Test("While devices are still moving, missing data counts for nothing, but a failed gate stops the wave")
    func whileMoving() throws {
        var fixture = try RolloutFixture(
            4, RolloutPolicy(waves: [.count(2)], maxFailures: nil, gates: [latency], onFailure: .rollbackWave))
        fixture.send(.start(by: "ann"))
        fixture.report(fixture.assigned[0], .succeeded)
        fixture.pass(seconds: 60)
        fixture.observe(.timePerOutputToken, [])
        #expect(fixture.run.header.gates[0].inconclusive == 0)
        fixture.pass(seconds: 60)
        fixture.observe(.timePerOutputToken, [0.2], previous: [0.1])
        #expect(fixture.run.header.state == .rollingBack)
        #expect(Set(fixture.restored) == Set(fixture.assigned))
        for device in fixture.assigned { fixture.report(device, .succeeded) }
        #expect(fixture.run.header.state == .paused)
        #expect(fixture.run.header.cause == .waveRolledBack)
    }

    @Test("As many failed measurements pass as the policy lets")
    func failureLimit() throws {
        var gate = RolloutGatePolicy(metric: .temperature, max: 80, failureLimit: 1)
        gate.onFailure = .stop
        var fixture = try measured(gate)
        fixture.observe(.temperature, [85], samples: 1)
        #expect(fixture.run.header.state == .running)
        fixture.pass(seconds: 60)
        fixture.observe(.temperature, [85], samples: 1)
        #expect(fixture.run.header.state == .aborted)
        #expect(fixture.run.header.cause == .gateFailed)
        #expect(fixture.run.header.reason.contains("temperature: median 85.0 > 80.0 over 1 device"))
    }

    @Test(
        "Every metric has a verdict against a fixed bound",
        arguments: [
            (RolloutMetric.crashCount, 0.0, nil, [0, 0, 1], GateFigures.Verdict.failed),
            (.crashCount, 0, nil, [0, 0, 0], .passed), (.requestErrorRate, 0.01, nil, [0.2, 0.3, 0.2], .failed),
            (.requestErrorRate, 0.01, nil, [0.01, 0, 0], .passed),
            (.requestErrorRate, 0.01, nil, [0.02, 0.03, 0], .inconclusive),
            (.requestDuration, 2, nil, [2.5, 3, 1], .failed), (.timeToFirstToken, 2, nil, [1, 1, 9], .passed),
            (.tokensPerSecond, nil, 10, [5, 6, 7], .failed), (.memoryUsed, 2e9, nil, [1e9, 1e9, 3e9], .passed),
            (.evaluationAccuracy, nil, 0.9, [0.7, 0.7, 0.7], .failed),
            (.shadowAgreement, nil, 0.9, [0.95, 0.96, 0.97], .passed),
        ] as [(RolloutMetric, Double?, Double?, [Double], GateFigures.Verdict)])
    func fixedBounds(
        _ metric: RolloutMetric, _ max: Double?, _ min: Double?, _ values: [Double], _ verdict: GateFigures.Verdict
    ) throws {
        let gate = RolloutGatePolicy(metric: metric, max: max, min: min, minDevices: 3)
        var fixture = try measured(gate, first: 3)
        fixture.observe(metric, values)
        let figures = try #require(fixture.run.header.gates[0].figures)
        #expect(figures.verdict == verdict, "\(figures.sentence)")
        #expect(figures.sentence.hasPrefix("\(metric.rawValue): "))
    }

    @Test(
        "Shares are compared by their difference",
        arguments: [
            (RolloutMetric.requestErrorRate, [0.11, 0.1, 0.09], [0.01, 0.02, 0.01], GateFigures.Verdict.failed),
            (.requestErrorRate, [0.02, 0.01, 0.01], [0.01, 0.01, 0.01], .passed),
            (.requestErrorRate, [0.06, 0.05, 0.02], [0.01, 0.01, 0.01], .inconclusive),
            (.evaluationAccuracy, [0.6, 0.6, 0.6], [0.9, 0.9, 0.9], .failed),
            (.evaluationAccuracy, [0.9, 0.9, 0.9], [0.8, 0.8, 0.8], .passed),
        ] as [(RolloutMetric, [Double], [Double], GateFigures.Verdict)])
    func shares(
        _ metric: RolloutMetric, _ values: [Double], _ baseline: [Double], _ verdict: GateFigures.Verdict
    ) throws {
        var fixture = try measured(RolloutGatePolicy(metric: metric, baseline: .init(tolerance: 0.02)), first: 3)
        fixture.observe(metric, values, baseline: baseline)
        let figures = try #require(fixture.run.header.gates[0].figures)
        #expect(figures.verdict == verdict, "\(figures.sentence)")
        #expect(figures.method == .newcombe && figures.baselineDevices == 3)
    }

    @Test("What devices reported of evaluation and shadowing counts without telemetry")
    func reportedByDevices() throws {
        let gate = RolloutGatePolicy(metric: .shadowAgreement, baseline: .init(tolerance: 0.05))
        var fixture = try RolloutFixture(3, RolloutPolicy(waves: [.count(1)], maxFailures: nil, gates: [gate]))
        fixture.send(.start(by: "ann"))
        let device = fixture.assigned[0]
        let shadow = ShadowResult(
            compared: 50, agreed: 20, failed: 0, passedOver: 0, liveMedianMilliseconds: 1,
            candidateMedianMilliseconds: 1)
        fixture.send(.reported(.init(device: device, generation: 1, state: .succeeded, shadow: shadow)))
        fixture.send(.observed([]))
        #expect(fixture.run.header.state == .paused)
        #expect(fixture.run.header.reason.hasPrefix("shadow.agreement: 40.0 % < 95.0 % (interval"))
    }

    @Test("Devices are compared within their group only, and what has no counterpart is said")
    func groups() throws {
        var fixture = try measured(latency, first: 2)
        let moved = fixture.assigned
        let others = fixture.run.members.filter { !$0.isMoved }.map(\.device)
        func seen(_ device: DeviceID, _ side: DeviceObservation.Side, _ group: String, _ value: Double)
            -> DeviceObservation
        {
            .init(
                device: device, side: side, group: group,
                values: [.timePerOutputToken: .init(value: value, samples: 50)])
        }
        fixture.send(
            .observed([
                seen(moved[0], .candidate, "slow", 1), seen(moved[1], .candidate, "fast", 0.1),
                seen(others[0], .baseline, "fast", 0.1), seen(others[1], .baseline, "fast", 0.1),
            ]))
        let figures = try #require(fixture.run.header.gates[0].figures)
        #expect(figures.verdict == .passed)
        #expect(figures.sentence.contains("1 without a counterpart left out"), "\(figures.sentence)")
    }

    @Test("Failures of the rollout itself are a metric too")
    func failureRate() throws {
        let gate = RolloutGatePolicy(metric: .failureRate, max: 0.2, minDevices: 5)
        var fixture = try RolloutFixture(10, RolloutPolicy(maxFailures: nil, gates: [gate]))
        fixture.send(.start(by: "ann"))
        #expect(fixture.run.nextMeasurement == nil)
        for device in fixture.assigned.prefix(4) { fixture.report(device, .failed, code: "engineExited") }
        fixture.pass(seconds: 60)
        #expect(fixture.run.header.state == .running)
        fixture.report(fixture.assigned[4], .succeeded)
        fixture.pass(seconds: 60)
        #expect(fixture.run.header.state == .paused)
        #expect(fixture.run.header.reason.contains("failure.rate: 80.0 % > 20.0 %"))
    }
}
