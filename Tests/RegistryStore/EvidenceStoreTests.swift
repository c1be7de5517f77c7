import MartletTypes
import RolloutEngine
import Telemetry
import Testing

@testable import RegistryStore

@Suite("What gates are told")
struct EvidenceStoreTests {
    private let slot: SlotName
    private let old = "clinic/triage/1.0.0"
    private let new = "clinic/triage/2.0.0"

    init() throws { slot = try SlotName("triage") }

    /// Minutes of one device, from `minutes` before now on, each with the same values.
    private func measure(
        _ fixture: StoreFixture, _ device: DeviceID, _ release: String, minutes: ClosedRange<Int64>,
        secondsPerToken: Double = 0.05, requests: Int64 = 10, errors: Int64 = 0, crashes: Int64 = 0, sequence: Int64
    ) async throws {
        let rows = minutes.map { minute -> TelemetryRollup in
            let time = fixture.now - .seconds(minute * 60)
            var row = TelemetryRollup(key: .init(slot: slot, generation: 1, minute: time))
            row.release = release
            row.requests = requests
            row.errors = errors
            row.crashes = crashes
            for _ in 0..<requests {
                row.timePerOutputToken.record(secondsPerToken)
                row.duration.record(secondsPerToken * 40)
            }
            return row
        }
        var box = TelemetryRollup(
            key: .init(slot: nil, generation: 0, minute: fixture.now - .seconds(minutes.lowerBound * 60)))
        box.memoryUsed = ByteCount(1_000_000)
        box.temperatureCelsius = 50 + Double(requests)
        let all = rows + [box]
        let journal = try StoreFixture.journal("a")
        let isNew = try await fixture.database.write {
            try TelemetryStore($0).add(all, from: device, journal, sequence: sequence)
        }
        #expect(isNew)
    }

    private func question(
        _ candidates: [EvidenceQuestion.Candidate], baseline: [DeviceID] = [], _ metrics: Set<RolloutMetric>
    ) throws -> EvidenceQuestion {
        EvidenceQuestion(
            slot: slot, releases: [try ReleasePath(new)], candidates: candidates, baseline: baseline, metrics: metrics)
    }

    private func answer(_ fixture: StoreFixture, _ question: EvidenceQuestion) async throws -> [DeviceObservation] {
        try await fixture.database.read { try EvidenceStore($0).observations(question, now: fixture.now) }
    }

    @Test("is each device's own summary, on three sides: since its switch, not updated, and before its switch")
    func sides() async throws {
        let fixture = try await StoreFixture()
        let updated = try await fixture.enrol("pi-1")
        let waiting = try await fixture.enrol("pi-2")
        let silent = try await fixture.enrol("pi-3")
        try await measure(fixture, updated, old, minutes: 31...60, secondsPerToken: 0.05, sequence: 1)
        try await measure(
            fixture, updated, new, minutes: 1...29, secondsPerToken: 0.075, errors: 1, crashes: 1, sequence: 2)
        try await measure(fixture, waiting, old, minutes: 1...90, secondsPerToken: 0.05, requests: 20, sequence: 1)
        let metrics: Set<RolloutMetric> = [
            .timePerOutputToken, .tokensPerSecond, .requestErrorRate, .crashCount, .memoryUsed, .temperature,
        ]
        let found = try await answer(
            fixture,
            question(
                [.init(device: updated, since: fixture.now - .seconds(30 * 60))], baseline: [waiting, silent], metrics))
        #expect(found.map(\.side) == [.candidate, .previous, .baseline])
        #expect(found.map(\.device) == [updated, updated, waiting])
        let candidate = try #require(found.first?.values)
        let perToken = try #require(candidate[.timePerOutputToken])
        #expect(abs(perToken.value - 0.075) < 0.004 && perToken.samples == 290)
        #expect(abs((candidate[.tokensPerSecond]?.value ?? 0) - 13.3) < 0.7)
        #expect(candidate[.requestErrorRate] == .init(value: 0.1, samples: 290))
        #expect(candidate[.crashCount]?.value == 29)
        #expect(candidate[.memoryUsed]?.value == 1_000_000 && candidate[.temperature]?.value == 60)
        #expect(abs((found[1].values[.timePerOutputToken]?.value ?? 0) - 0.05) < 0.003)
        #expect(found[1].values[.timePerOutputToken]?.samples == 300)
        // The same time, not all that it ever measured.
        #expect(found[2].values[.timePerOutputToken]?.samples == 600)
    }

    @Test("leaves out what was measured of another release, and what nobody asks for")
    func onlyTheTarget() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        try await measure(fixture, device, old, minutes: 1...5, sequence: 1)
        let candidate = EvidenceQuestion.Candidate(device: device, since: fixture.now - .seconds(600))
        #expect(try await answer(fixture, question([candidate], [.timePerOutputToken])).isEmpty)
        #expect(try await answer(fixture, question([candidate], [])).isEmpty)
        #expect(try await answer(fixture, question([candidate], [.failureRate])).isEmpty)
    }

    @Test("has evaluations and shadowing from reports, the evaluation before the switch too")
    func reports() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let journal = try StoreFixture.journal("a")
        let before = EvaluationResult(rows: 20, correct: 19, failed: 0, medianMilliseconds: 5, minAccuracy: nil)
        let figures = try JSONValue(parsing: try JSONText.encode(["evaluation": before]))
        let rows = [
            ReportRow(
                sequence: 1, time: fixture.now - .seconds(900), slot: slot, generation: 1, state: .succeeded,
                figures: figures),
            ReportRow(
                sequence: 2, time: fixture.now - .seconds(60), slot: slot, generation: 2, state: nil,
                code: "crashLoop"),
        ]
        try await fixture.database.write {
            _ = try ReportStore($0).accept(device, journal, [rows[0]], now: fixture.now - .seconds(900))
            _ = try ReportStore($0).accept(device, journal, [rows[1]], now: fixture.now - .seconds(60))
        }
        let after = EvaluationResult(rows: 20, correct: 15, failed: 0, medianMilliseconds: 5, minAccuracy: nil)
        let shadow = ShadowResult(
            compared: 40, agreed: 30, failed: 0, passedOver: 2, liveMedianMilliseconds: 9,
            candidateMedianMilliseconds: 8)
        let found = try await answer(
            fixture,
            question(
                [.init(device: device, since: fixture.now - .seconds(300), evaluation: after, shadow: shadow)],
                [.evaluationAccuracy, .shadowAgreement, .crashCount]))
        #expect(found.map(\.side) == [.candidate, .previous])
        #expect(found[0].values[.evaluationAccuracy] == .init(value: 0.75, samples: 20))
        #expect(found[0].values[.shadowAgreement] == .init(value: 0.75, samples: 40))
        #expect(found[0].values[.crashCount]?.value == 1)
        #expect(found[1].values == [.evaluationAccuracy: .init(value: 0.95, samples: 20)])
    }

    @Test("is bounded: of many devices an even sample is read")
    func sample() {
        #expect(EvidenceStore.sample([1, 2, 3], most: 5) == [1, 2, 3])
        #expect(EvidenceStore.sample(Array(0..<100), most: 4) == [0, 25, 50, 75])
        #expect(EvidenceStore.sample(Array(0..<7), most: 3) == [0, 2, 4])
    }
}
