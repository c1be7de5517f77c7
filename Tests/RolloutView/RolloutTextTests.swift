import MartletAPI
import MartletTypes
import RolloutView
import Testing

@Suite("A rollout in words")
struct RolloutTextTests {
    private func text(_ info: RolloutInfo, after seconds: Int64 = 200, all: Bool = false) -> String {
        RolloutText(info, now: RolloutScene.begin + .seconds(seconds), all: all).lines.joined(separator: "\n")
    }

    @Test("it begins with how it stands, why, and what to do next; what failed comes before what is at work")
    func paused() throws {
        var info = try RolloutScene.rollout(
            [
                RolloutScene.device(1, .succeeded, after: 20),
                RolloutScene.device(2, .failed, wave: 1, code: "evaluationFailed", message: "0.83 < 0.90", after: 50),
                RolloutScene.device(3, .unreachable, wave: 1, code: "silent", after: 100),
                RolloutScene.device(4, .downloading, wave: 1, message: "40 of 90 MiB", after: 30),
                RolloutScene.device(5, .pending, wave: 1),
            ], state: .paused, wave: 1, reason: "1 of 3 devices failed")
        info.gates = [RolloutScene.gate("failed", value: 0.082, baseline: 0.04, effect: 2.05)]
        info.decisions = [
            .init(time: RolloutScene.begin, action: "start", reason: "5 devices in 2 waves"),
            .init(time: RolloutScene.begin + .seconds(51), action: "pause", reason: "1 of 3 devices failed"),
        ]
        let shown = text(info)
        #expect(
            shown.hasPrefix(
                """
                Rollout r-1  clinic/triage:2.0.0 → slot triage of fleet wards
                paused, wave 2 of 2: 1 succeeded, 1 failed, 1 pending, 1 downloading, 1 unreachable
                1 of 3 devices failed
                Started by ann at 2026-05-28 20:26:40Z, 3m20s ago.
                Next: `martlet rollout resume r-1` goes on as it is, `retry` tries failed devices again, \
                `rollback` takes every device back, `abort` ends it here.

                Waves
                  wave 1  done  1 succeeded
                ▸ wave 2  paused  1 failed, 1 pending, 1 downloading, 1 unreachable

                Gates
                  ✗ time_per_output_token.p50
                """), "\(shown)")
        #expect(
            shown.contains(
                """
                Need a look (2)
                  pi-2  wave 2  failed for 2m30s  evaluationFailed: 0.83 < 0.90
                  pi-3  wave 2  unreachable for 1m40s  silent

                At work (1), those for longest first
                  pi-4  wave 2  downloading for 2m50s  40 of 90 MiB

                Decisions, newest first
                  20:27:31Z  pause  1 of 3 devices failed
                """), "\(shown)")
    }

    @Test("what devices proved on themselves stands by profile")
    func proofs() throws {
        var info = try RolloutScene.rollout([RolloutScene.device(1, .succeeded)])
        info.proofs = [
            ProfileProof(
                profile: "",
                shadow: .init(
                    devices: 1, compared: 50, agreed: 48, lowestAgreement: 0.96, lowest: try RolloutScene.name("pi-9"),
                    liveMedianMilliseconds: 11, candidateMedianMilliseconds: 12.4)),
            ProfileProof(
                profile: "pi-5",
                evaluation: .init(
                    devices: 12, passed: 11, rows: 1200, correct: 1152, lowestAccuracy: 0.89999,
                    lowest: try RolloutScene.name("pi-7"), macroF1: 0.95, medianMilliseconds: 12.6,
                    slowestP95Milliseconds: 30)),
        ]
        let shown = text(info)
        #expect(
            shown.contains(
                """
                Proved on devices, by profile
                  no profile  shadowed on 1 device: 48 of 50 answers agree, median 12 ms against 11 ms
                  pi-5  12 devices: 1152 of 1200 right, lowest 0.89 (pi-7), macro-F1 0.95, median 13 ms, \
                95 % within 30 ms, 1 below the threshold
                """), "\(shown)")
    }

    @Test("a fleet of thousands fits on a screen, and is told whole where that is asked for")
    func large() throws {
        var info = try RolloutScene.rollout(
            (0..<3000).map {
                try RolloutScene.device($0, $0 % 10 == 0 ? .failed : .succeeded, code: $0 % 10 == 0 ? "timedOut" : nil)
            }, state: .completed, waves: 1, wave: 1)
        info.decisions = (0..<100).map {
            .init(time: RolloutScene.begin + .seconds($0), action: "retry", reason: "number \($0)")
        }
        let short = text(info)
        #expect(short.split(separator: "\n").count < 50)
        #expect(short.contains("Need a look (300)") && short.contains("  and 285 more; --all shows them"))
        #expect(short.contains("number 99") && !short.contains("number 50"))
        #expect(short.contains("Next: `martlet rollout retry r-1` tries the 300 devices again that did not succeed."))
        let whole = text(info, all: true)
        #expect(whole.contains("Devices (3000)") && whole.contains("pi-2999") && whole.contains("number 0"))
        #expect(!whole.contains("more; --all"))
        info.devicesLeft = 7000
        #expect(text(info).contains("7000 more devices; --all shows them"))
    }

    static let steps: [(RolloutState, String?, String?)] = [
        (.running, "moving", "rollout watch r-1"), (.running, "confirming", "rollout confirm r-1"),
        (.paused, nil, "rollout resume r-1"), (.rollingBack, nil, "rollout watch r-1"),
        (.aborted, nil, "rollout rollback r-1"), (.rolledBack, nil, "new version"), (.completed, nil, nil),
    ]

    @Test("each state names the next step of a person, and a success none", arguments: steps)
    func next(state: RolloutState, phase: String?, part: String?) throws {
        var info = try RolloutScene.rollout([try RolloutScene.device(1, .succeeded)], state: state)
        info.phase = phase
        let line = text(info).split(separator: "\n").first { $0.hasPrefix("Next: ") }
        #expect((line == nil) == (part == nil) && line?.contains(part ?? "") != false, "\(line ?? "none")")
    }

    @Test("one device that is held, pinned, failed or away has its own next step")
    func device() throws {
        let name = try DeviceID("pi-7")
        let exemption = Exemption(reason: "study", by: "bob", since: RolloutScene.begin)
        let slot = try SlotName("triage")
        let move = DeviceMove(number: 1, time: RolloutScene.begin, slot: slot, releases: [], actor: "ann", reason: "")
        func next(_ state: DeviceRolloutState, pin: Exemption? = nil, hold: Exemption? = nil) throws -> String? {
            let part = RolloutExplanation.Part(
                device: try RolloutScene.device(7, state), online: false, lastSeen: nil, pin: pin, hold: hold,
                moves: [move])
            let explanation = RolloutExplanation(
                id: try RolloutID("r-1"), state: .running, because: [], decisions: [], gates: [], waiting: [],
                part: part)
            return ExplanationText(explanation, of: name, now: RolloutScene.begin).lines
                .first { $0.hasPrefix("Next: ") }
        }
        #expect(try next(.pending, hold: exemption)?.contains("devices release pi-7") == true)
        #expect(try next(.pending, pin: exemption)?.contains("devices unpin pi-7 triage") == true)
        #expect(try next(.failed)?.contains("rollout retry r-1 pi-7") == true)
        #expect(try next(.offered)?.contains("power and network") == true)
        #expect(try next(.succeeded) == nil)
    }

    @Test("one is one and two are two")
    func plurals() {
        #expect(RolloutWords.count(1, "device") == "1 device" && RolloutWords.count(0, "device") == "0 devices")
    }
}
