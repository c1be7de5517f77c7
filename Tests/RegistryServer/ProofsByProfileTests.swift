import MartletAPI
import MartletTypes
import RegistryClient
import Testing
import Trust

@testable import RegistryServer

@Suite("What devices proved, by profile")
struct ProofsByProfileTests {
    private func result(
        _ device: Int, _ profile: String, right: Int? = nil, rows: Int = 100, median: Double = 10, p95: Double? = nil,
        macroF1: Double? = nil, agreed: Int? = nil, least: Double? = nil
    ) throws -> ProofsByProfile.Result {
        ProofsByProfile.Result(
            device: try DeviceID("box-\(device)"), profile: profile,
            evaluation: right.map {
                EvaluationResult(
                    rows: rows, correct: $0, failed: 0, medianMilliseconds: median, p95Milliseconds: p95,
                    macroF1: macroF1, minAccuracy: least)
            },
            shadow: agreed.map {
                ShadowResult(
                    compared: 50, agreed: $0, failed: 0, passedOver: 0, liveMedianMilliseconds: 8,
                    candidateMedianMilliseconds: median)
            })
    }

    @Test("A device counts once; the worst is named; profiles without a result are left out")
    func gathers() throws {
        let proofs = try ProofsByProfile([
            result(1, "pi-5", right: 95, median: 10, p95: 20, macroF1: 0.9, least: 0.9),
            result(2, "pi-5", right: 85, median: 30, p95: 90, macroF1: 0.8, least: 0.9),
            result(3, "pi-5", right: 97, median: 12, macroF1: 0.96, agreed: 40),
            result(4, "n100", right: 90, agreed: 50), result(5, "n100", median: 20, agreed: 45),
            result(6, "empty"), result(7, "empty", right: 0, rows: 0),
        ]).proofs
        #expect(proofs.map(\.profile) == ["n100", "pi-5"])
        let five = try #require(proofs.last)
        #expect(
            five.evaluation
                == .init(
                    devices: 3, passed: 2, rows: 300, correct: 277, lowestAccuracy: 0.85,
                    lowest: try DeviceID("box-2"), macroF1: 0.9, medianMilliseconds: 12, slowestP95Milliseconds: 90))
        #expect(five.shadow?.compared == 50 && five.shadow?.lowestAgreement == 0.8)
        let small = try #require(proofs.first)
        #expect(small.evaluation?.devices == 1 && small.evaluation?.macroF1 == nil)
        #expect(small.evaluation?.slowestP95Milliseconds == nil)
        #expect(
            small.shadow
                == .init(
                    devices: 2, compared: 100, agreed: 95, lowestAgreement: 0.9, lowest: try DeviceID("box-5"),
                    liveMedianMilliseconds: 8, candidateMedianMilliseconds: 15))
    }

    @Test("Numbers that a lying device makes up do not overflow")
    func lies() throws {
        let proofs = try ProofsByProfile([
            result(1, "pi", right: .max, rows: .max), result(2, "pi", right: .max, rows: .max),
        ]).proofs
        #expect(proofs.first?.evaluation?.rows == .max && proofs.first?.evaluation?.correct == .max)
    }

    @Test("They stand in the answer for a rollout, once a device of the profile has brought a result")
    func served() async throws {
        let site = try await RolloutSite(3)
        let rollout = try await site.start(1)
        #expect(rollout.proofs == nil)
        for (number, profile) in ["pi-5", "pi-5", "n100"].enumerated() {
            let device = site.devices[number]
            let own = try #require(try await device.poll(wait: .seconds(50))?.slots[site.slot])
            try await device.put(current: [], previous: [], slot: site.slot, generation: 0, profile: profile)
            try await device.report(
                .succeeded, site.slot, own,
                figures: .init(
                    evaluation: EvaluationResult(rows: 10, correct: 9 - number, failed: 0, medianMilliseconds: 5)))
        }
        let proofs = try #require(try await site.admin.rollout(rollout.id).proofs)
        #expect(proofs.map(\.profile) == ["n100", "pi-5"])
        #expect(proofs.map { $0.evaluation?.correct } == [7, 17])
        #expect(proofs.last?.evaluation?.lowest == site.devices[1].name)
        try await site.registry.stop()
    }
}
