import Foundation
import MartletTypes
import RolloutPolicyFile
import TestSupport
import Testing

@Suite("Policies survive their spelling")
struct PolicyRoundTripTests {
    @Test("any policy written as YAML is read as the same policy")
    func anyPolicy() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        for number in 0..<1000 {
            let file = RolloutPolicyFile(target: Self.target(&random), policy: Self.policy(&random))
            let text = file.yaml
            do throws(PolicyFileError) {
                let again = try RolloutPolicyFile(yaml: text)
                guard again != file else { continue }
                Issue.record("seed \(seed), policy \(number) is read as another:\n\(text)\n\(again.yaml)")
                return
            } catch {
                Issue.record("seed \(seed), policy \(number): \(error)\n\(text)")
            }
        }
    }

    @Test("a file with letters changed at random is read or refused, and never ends the process")
    func noise() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        let alphabet = Array("abc019%:-[]{},\"'#&*!|>?@`~ \n\t=.".unicodeScalars)
        let original = Array(RolloutPolicyFile.example.unicodeScalars)
        for _ in 0..<400 {
            var text = original
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let place = Int.random(in: 0..<text.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: text[place] = alphabet.randomElement(using: &random) ?? " "
                case 1: text.remove(at: place)
                default: text.insert(alphabet.randomElement(using: &random) ?? " ", at: place)
                }
            }
            var yaml = String.UnicodeScalarView()
            yaml.append(contentsOf: text)
            do throws(PolicyFileError) {
                _ = try RolloutPolicyFile(yaml: String(yaml))
            } catch {
                #expect(
                    !error.issues.isEmpty && error.issues.allSatisfy { $0.line >= 1 && $0.column >= 1 }, "seed \(seed)")
            }
        }
    }

    static func hostile() -> [(String, String)] {
        let levels = (1...30).map { "a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]" }
        let bomb = "a0: &a0 [x, x]\n" + levels.joined(separator: "\n")
        let keyBomb =
            "a0: &a0 [x, x]\n" + (1...15).map { "a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]" }.joined(separator: "\n")
            + "\n? *a15\n: 1\n"
        return [
            ("many aliases", bomb), ("an alias as a key", keyBomb),
            ("deep lists", String(repeating: "[", count: 30_000)),
            ("deep mappings", String(repeating: "{a: ", count: 10_000)),
            ("deep and closed", String(repeating: "[", count: 900) + String(repeating: "]", count: 900)),
            ("deep blocks", (0..<300).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n")),
            ("huge", String(repeating: "# x\n", count: 100_000)),
            ("many keys", (0..<5000).map { "k\($0): 1" }.joined(separator: "\n")),
            ("many items", "waves: [" + String(repeating: "1, ", count: 10_000) + "1]"),
            ("a tag", "soak: !!binary aGVsbG8="), ("a merge", "<<: {soak: 10m}"),
            ("a long key", String(repeating: "k", count: 2000) + ": 1"),
            ("a block scalar", "soak: |\n  10m\n  20m"), ("a NUL", "soak: \"\\0\""),
        ]
    }

    @Test("hostile files are refused in bounded time", arguments: hostile())
    func refused(name: String, yaml: String) {
        do throws(PolicyFileError) {
            _ = try RolloutPolicyFile(yaml: yaml)
            Issue.record("\(name) was read")
        } catch {
            #expect(error.message.utf8.count < 16 * 1024, "\(name)")
        }
    }

    // MARK: - Policies at random

    private static func target(_ random: inout SeededGenerator) -> RolloutPolicyFile.Target {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: .init()
        case 1: .init(fleet: try? FleetName("wards"), slot: try? SlotName("triage"))
        default: .init(selector: try? LabelSelector("site in (berlin,ulm),!retired"))
        }
    }

    private static func maybe<Value>(
        _ random: inout SeededGenerator, _ make: (inout SeededGenerator) -> Value
    ) -> Value? {
        Bool.random(using: &random) ? make(&random) : nil
    }

    private static func permille(_ random: inout SeededGenerator, _ range: ClosedRange<Int> = 0...1000) -> Double {
        Double(Int.random(in: range, using: &random)) / 1000
    }

    private static func outcome(_ random: inout SeededGenerator) -> RolloutPolicy.OnFailure? {
        maybe(&random) { RolloutPolicy.OnFailure.allCases.randomElement(using: &$0) ?? .pause }
    }

    private static func policy(_ random: inout SeededGenerator) -> RolloutPolicy {
        var policy = RolloutPolicy()
        policy.membership = Bool.random(using: &random) ? .dynamic : .frozen
        if Bool.random(using: &random) { policy.order = ["ring=canary", "!old"].compactMap { try? LabelSelector($0) } }
        var reached = 0
        for _ in 0..<Int.random(in: 0..<5, using: &random) {
            reached += Int.random(in: 1...20, using: &random)
            let size: RolloutPolicy.WaveSize = Bool.random(using: &random) ? .percent(Double(reached)) : .count(reached)
            policy.waves.append(
                RolloutWave(
                    size: size, selector: maybe(&random) { _ in try? LabelSelector("a!=b") } ?? nil,
                    soakSeconds: Int.random(in: 0...2_592_000, using: &random), confirm: Bool.random(using: &random)))
        }
        policy.soakSeconds = Int.random(in: 0...86_400, using: &random)
        policy.maxFailures = maybe(&random) { Int.random(in: 0...1_000_000, using: &$0) }
        for _ in 0..<Int.random(in: 0..<3, using: &random) { policy.thresholds.append(threshold(&random)) }
        for _ in 0..<Int.random(in: 0..<4, using: &random) { policy.gates.append(gate(&random)) }
        policy.maxInFlight = maybe(&random) { Int.random(in: 1...1_000_000, using: &$0) }
        policy.rate = maybe(&random) { random in
            RolloutRate(
                perMinute: Double(Int.random(in: 1...500, using: &random)) / 4,
                growth: Double(Int.random(in: 100...300, using: &random)) / 100,
                growAfter: Int.random(in: 1...50, using: &random), maxPerMinute: maybe(&random) { _ in 5000.5 })
        }
        policy.deviceDeadlineSeconds = maybe(&random) { Int.random(in: 1...31_536_000, using: &$0) }
        policy.retry = RolloutRetry(
            attempts: Int.random(in: 0...100, using: &random), backoffSeconds: Int.random(in: 1...3600, using: &random),
            maxBackoffSeconds: Int.random(in: 3600...86_400, using: &random),
            causes: maybe(&random) { _ in ["a", "b2"] } ?? [])
        policy.conditions = conditions(&random)
        policy.shadow = maybe(&random, shadow)
        if policy.shadow == nil { policy.gates.removeAll { $0.metric == .shadowAgreement } }
        policy.onFailure = outcome(&random) ?? .pause
        return policy
    }

    private static func threshold(_ random: inout SeededGenerator) -> FailureThreshold {
        FailureThreshold(
            outcomes: Bool.random(using: &random) ? [.failed, .timedOut] : [.failed, .unreachable, .refused],
            causes: maybe(&random) { _ in ["evaluationFailed"] } ?? [], maxShare: permille(&random),
            minCompleted: Int.random(in: 1...1000, using: &random), confidence: permille(&random, 500...999),
            onFailure: outcome(&random))
    }

    private static func gate(_ random: inout SeededGenerator) -> RolloutGatePolicy {
        let metric = RolloutMetric.allCases.randomElement(using: &random) ?? .temperature
        let bound: Double =
            switch metric.unit {
            case .share: permille(&random)
            case .seconds: Double(Int.random(in: 0...90_000, using: &random)) / 1000
            case .bytes: Double(Int.random(in: 0...(1 << 40), using: &random))
            default: Double(Int.random(in: 0...600, using: &random)) / 4
            }
        var gate = RolloutGatePolicy(metric: metric)
        if Bool.random(using: &random) { gate.max = bound } else { gate.min = bound }
        if metric.hasBaseline {
            gate.baseline = maybe(&random) { random in
                let worse = permille(&random)
                return .init(
                    tolerance: metric.isProportion ? worse : 1 + worse, confidence: permille(&random, 500...999))
            }
        }
        gate.minDevices = Int.random(in: 1...50, using: &random)
        gate.minSamples = Int.random(in: 1...500, using: &random)
        gate.intervalSeconds = Int.random(in: 1...86_400, using: &random)
        gate.failureLimit = Int.random(in: 0...10, using: &random)
        gate.inconclusiveLimit = Int.random(in: 0...100, using: &random)
        gate.onFailure = outcome(&random)
        return gate
    }

    private static func conditions(_ random: inout SeededGenerator) -> UpdateConditions {
        let windows = (0..<Int.random(in: 0..<3, using: &random)).map { _ in
            MaintenanceWindow(
                days: (1...7).filter { _ in Bool.random(using: &random) },
                startMinute: Int.random(in: 0...1439, using: &random), minutes: Int.random(in: 1...1440, using: &random)
            )
        }
        return UpdateConditions(
            windows: windows, idleSeconds: maybe(&random) { Int.random(in: 1...86_400, using: &$0) },
            onMains: Bool.random(using: &random), belowCelsius: maybe(&random) { Int.random(in: 1...150, using: &$0) },
            jitterSeconds: Int.random(in: 0...86_400, using: &random),
            bytesPerSecond: maybe(&random) { Int64.random(in: 1024...1_000_000_000_000, using: &$0) })
    }

    private static func shadow(_ random: inout SeededGenerator) -> ShadowPolicy {
        var shadow = ShadowPolicy(
            sharePermille: Int.random(in: 1...1000, using: &random),
            comparison: ShadowPolicy.Comparison.allCases.randomElement(using: &random) ?? .label,
            samples: Int.random(in: 1...10_000, using: &random),
            maxSeconds: Int.random(in: 1...604_800, using: &random),
            minAgreementPermille: maybe(&random) { Int.random(in: 1...1000, using: &$0) })
        if shadow.comparison == .embedding {
            shadow.minSimilarityPermille = Int.random(in: 1...1000, using: &random)
        }
        return shadow
    }
}
