import MartletTypes
import RolloutPolicyFile
import TestSupport
import Testing

@Suite("Policy files are read strictly")
struct PolicyFileTests {
    private func policy(_ yaml: String) throws -> RolloutPolicy { try RolloutPolicyFile(yaml: yaml).policy }

    private func issues(_ yaml: String) -> [PolicyIssue] {
        do throws(PolicyFileError) {
            _ = try RolloutPolicyFile(yaml: yaml)
            return []
        } catch {
            return error.issues
        }
    }

    @Test("every field is read in its friendly spelling")
    func whole() throws {
        let file = try RolloutPolicyFile(
            yaml: """
                target: {selector: "site=berlin,!retired", slot: triage}
                membership: dynamic
                order: [ring=canary, "tier in (lab,test)"]
                waves: [3, 12.5%, {size: 50%, soak: 30m, confirm: true}, {selector: site=berlin}]
                soak: 10m
                maxFailures: 7
                maxInFlight: 20
                rate: {perMinute: 0.5, growth: 2, growAfter: 10, maxPerMinute: 1000}
                deadline: 2d
                retry: {attempts: 3, backoff: 90s, maxBackoff: 2h, causes: [downloadFailed]}
                thresholds:
                  - {maxShare: 5%, outcomes: [failed], causes: [evaluationFailed], minCompleted: 10, confidence: 99%,
                     onFailure: stop}
                gates:
                  - {metric: time_per_output_token.p50, max: 80ms, baseline: {tolerance: 20%, confidence: 99%},
                     minDevices: 5, minSamples: 30, interval: 2m, failureLimit: 2, inconclusiveLimit: 4,
                     onFailure: rollbackAll}
                  - {metric: request.error_rate, max: 2%, baseline: {tolerance: 0.5%}}
                  - {metric: memory.used, max: 6GiB}
                  - {metric: tokens_per_second, min: 12.5}
                conditions: {windows: ["mon-fri 22:00-05:00", "sun 00:00-24:00"], idle: 5m, onMains: true,
                             belowCelsius: 70, jitter: 10m, bandwidth: 20MB/s}
                shadow: {share: 2.5%, comparison: embedding, minSimilarity: 85%, samples: 10,
                         maxTime: 2h, minAgreement: 95%}
                onFailure: rollbackWave
                """)
        #expect(file.target.selector?.text == "site=berlin,!retired" && file.target.slot?.text == "triage")
        let expected = RolloutPolicy(
            waves: [
                .count(3), .percent(12.5), RolloutWave(size: .percent(50), soakSeconds: 1800, confirm: true),
                RolloutWave(selector: try LabelSelector("site=berlin")),
            ],
            membership: .dynamic, order: [try LabelSelector("ring=canary"), try LabelSelector("tier in (lab,test)")],
            soakSeconds: 600, maxFailures: 7,
            thresholds: [
                FailureThreshold(
                    outcomes: [.failed], causes: ["evaluationFailed"], maxShare: 0.05, minCompleted: 10,
                    confidence: 0.99, onFailure: .stop)
            ],
            gates: [
                RolloutGatePolicy(
                    metric: .timePerOutputToken, max: 0.08, baseline: .init(tolerance: 1.2, confidence: 0.99),
                    minDevices: 5, minSamples: 30, intervalSeconds: 120, failureLimit: 2, inconclusiveLimit: 4,
                    onFailure: .rollbackAll),
                RolloutGatePolicy(metric: .requestErrorRate, max: 0.02, baseline: .init(tolerance: 0.005)),
                RolloutGatePolicy(metric: .memoryUsed, max: 6_442_450_944),
                RolloutGatePolicy(metric: .tokensPerSecond, min: 12.5),
            ],
            maxInFlight: 20, rate: RolloutRate(perMinute: 0.5, growth: 2, growAfter: 10, maxPerMinute: 1000),
            deviceDeadlineSeconds: 172_800,
            retry: RolloutRetry(attempts: 3, backoffSeconds: 90, maxBackoffSeconds: 7200, causes: ["downloadFailed"]),
            conditions: UpdateConditions(
                windows: [
                    MaintenanceWindow(days: [1, 2, 3, 4, 5], startMinute: 1320, minutes: 420),
                    MaintenanceWindow(days: [7], startMinute: 0, minutes: 1440),
                ],
                idleSeconds: 300, onMains: true, belowCelsius: 70, jitterSeconds: 600, bytesPerSecond: 20_000_000),
            shadow: ShadowPolicy(
                sharePermille: 25, comparison: .embedding, minSimilarityPermille: 850, samples: 10, maxSeconds: 7200,
                minAgreementPermille: 950),
            onFailure: .rollbackWave)
        #expect(file.policy == expected)
    }

    @Test("a field that is left out has the default of the policy")
    func defaults() throws {
        #expect(try policy("onFailure: pause") == RolloutPolicy())
        #expect(try policy("{}") == RolloutPolicy())
        // Whoever states gates or thresholds and no count wants no count.
        #expect(try policy("gates: [{metric: crash.count, max: 0}]").maxFailures == nil)
        #expect(try policy("thresholds: [{maxShare: 5%}]").maxFailures == nil)
        #expect(try policy("thresholds: [{maxShare: 5%}]\nmaxFailures: 3").maxFailures == 3)
        #expect(try policy("maxFailures: none").maxFailures == nil)
    }

    @Test("what is read from YAML is what is read from the JSON of the same policy")
    func sameAsJSON() throws {
        let policy = try RolloutPolicyFile(yaml: RolloutPolicyFile.example).policy
        #expect(try JSONText.decode(RolloutPolicy.self, from: try JSONText.encode(policy)) == policy)
    }

    static let wrong: [(yaml: String, place: String, path: String, says: String)] = [
        ("soack: 10m", "1:1", "soack", "Did you mean \"soak\"?"),
        ("on_failure: pause", "1:1", "on_failure", "Did you mean \"onFailure\"?"),
        ("waves:\n  - size: 10%\n    saok: 3m", "3:5", "waves[0].saok", "Did you mean \"soak\"?"),
        ("gates:\n- metric: crash.cuont\n  max: 0", "2:11", "gates[0].metric", "Did you mean \"crash.count\"?"),
        ("quorum: 3", "1:1", "quorum", "It may be one of target,"),
        ("soak: 10", "1:7", "soak", "10m"), ("soak: 10 min", "1:7", "soak", "10m"), ("soak: -5m", "1:7", "soak", "10m"),
        ("soak: 2d", "1:7", "soak", "0s to 1d"), ("soak: [10m]", "1:7", "soak", "This is a list."),
        ("soak:", "1:6", "soak", "This is nothing."), ("maxInFlight: \"20\"", "1:14", "maxInFlight", "without quotes"),
        ("maxInFlight: 0", "1:14", "maxInFlight", "from 1 to"), ("maxInFlight: 1e3", "1:14", "maxInFlight", "whole"),
        ("maxInFlight: 0x10", "1:14", "maxInFlight", "whole"), ("maxFailures: lots", "1:14", "maxFailures", "whole"),
        ("waves: 10%", "1:8", "waves", "list"), ("waves: [0]", "1:9", "waves[0]", "a count like 5"),
        ("waves: [120%]", "1:9", "waves[0]", "a share like 20%"),
        ("waves: [50%, 10%]", "1:14", "waves[1]", "count from the beginning"),
        ("waves: [{soak: 5m}]", "1:9", "waves[0]", "neither a size nor a selector"),
        ("waves: [{size: 1, confirm: yes}]", "1:28", "waves[0].confirm", "true or false"),
        ("order: [\"a=b c\"]", "1:9", "order[0]", "label selector"),
        ("target: {fleet: a, selector: b=c}", "1:30", "target.selector", "Keep one"),
        ("target: {fleet: Not A Name}", "1:17", "target.fleet", "fleet name"),
        ("rate: {growth: 2}", "1:7", "rate", "perMinute"),
        ("rate: {perMinute: 10, maxPerMinute: 5}", "1:37", "rate.maxPerMinute", "at least 10"),
        ("rate: {perMinute: .inf}", "1:19", "rate.perMinute", "a number from"),
        ("retry: {backoff: 2h, maxBackoff: 1h}", "1:34", "retry.maxBackoff", "at least 2h"),
        ("retry: {causes: [down load]}", "1:18", "retry.causes[0]", "downloadFailed"),
        ("thresholds: [{minCompleted: 3}]", "1:14", "thresholds[0]", "maxShare"),
        ("thresholds: [{maxShare: 0.05}]", "1:25", "thresholds[0].maxShare", "per cent"),
        ("thresholds: [{maxShare: 5%, outcomes: []}]", "1:39", "thresholds[0].outcomes", "Name an outcome"),
        ("thresholds: [{maxShare: 5%, outcomes: [succeeded]}]", "1:39", "thresholds[0].outcomes", "rare"),
        (
            "thresholds: [{maxShare: 5%, outcomes: [timedOut], causes: [x]}]", "1:59", "thresholds[0].causes",
            "Only failed"
        ),
        ("thresholds: [{maxShare: 5%, confidence: 20%}]", "1:41", "thresholds[0].confidence", "50% to 99.9%"),
        ("gates: [{max: 3}]", "1:9", "gates[0]", "no metric"),
        ("gates: [{metric: temperature}]", "1:9", "gates[0]", "demands nothing"),
        ("gates: [{metric: request.duration.p95, max: 2}]", "1:45", "gates[0].max", "2s or 80ms"),
        ("gates: [{metric: request.error_rate, max: 2}]", "1:43", "gates[0].max", "per cent"),
        ("gates: [{metric: memory.used, max: 6}]", "1:36", "gates[0].max", "6GiB"),
        ("gates: [{metric: temperature, max: 10, min: 20}]", "1:45", "gates[0].min", "above the most"),
        (
            "shadow: {}\ngates: [{metric: shadow.agreement, baseline: {tolerance: 1%}}]", "2:46", "gates[0].baseline",
            "Write min in place"
        ),
        ("gates: [{metric: shadow.agreement, min: 90%}]", "1:8", "gates", "nothing is shadowed"),
        ("gates: [{metric: temperature, baseline: {}}]", "1:41", "gates[0].baseline", "tolerance: 20%"),
        ("conditions: {windows: [22:00]}", "1:24", "conditions.windows[0]", "mon-fri 22:00-05:00"),
        ("conditions: {windows: [\"mo 22:00-23:00\"]}", "1:24", "conditions.windows[0]", "mon-fri"),
        ("conditions: {bandwidth: 20MB}", "1:25", "conditions.bandwidth", "20MB/s"),
        ("conditions: {belowCelsius: 7.5}", "1:28", "conditions.belowCelsius", "whole number"),
        ("shadow: {share: 0%}", "1:17", "shadow.share", "0.1% to 100%"),
        ("shadow: {share: 0.25%}", "1:17", "shadow.share", "one digit"),
        ("shadow: {minSimilarity: 90%}", "1:25", "shadow.minSimilarity", "comparison: embedding"),
        ("onFailure: rollback", "1:12", "onFailure", "pause, stop, rollbackWave, rollbackAll"),
        ("- soak: 10m", "1:1", "", "It takes fields"), ("", "1:1", "", "empty"), ("# nothing", "1:1", "", "empty"),
        ("soak: 10m\nsoak: 20m", "1:1", "", "stands here twice"),
        ("soak: [", "2:1", "", "no YAML"), ("a: b: c", "1:5", "", "no YAML"),
        ("soak: 10m\n---\nsoak: 20m", "2:1", "", "Write one document"),
        ("soak: \u{1}", "1:1", "", "UTF-8"), ("[a]: 3", "1:1", "", "Names of fields"),
        ("soak: &a 10m", "1:7", "soak", "Anchors"), ("soak: *a", "1:7", "", "without aliases"),
    ]

    @Test("what is wrong is said with line, column, path and remedy", arguments: wrong)
    func faults(yaml: String, place: String, path: String, says: String) {
        let found = issues(yaml)
        #expect(found.count == 1, "\(yaml): \(found)")
        guard let issue = found.first else { return }
        #expect("\(issue.line):\(issue.column)" == place, "\(yaml): \(issue)")
        #expect(issue.path == path, "\(yaml): \(issue)")
        #expect((issue.message + " " + issue.remedy).contains(says), "\(yaml): \(issue)")
        #expect(!issue.message.isEmpty && !issue.remedy.isEmpty, "\(yaml)")
    }

    @Test("all faults are told at once, in the order of the file")
    func several() throws {
        let yaml = """
            soack: 10m
            waves: [50%, 10%]
            gates:
              - metric: request.duration.p95
                max: 2
              - metric: nonsense
                max: 2
            onFailure: explode
            """
        let found = issues(yaml)
        #expect(found.map(\.path) == ["soack", "waves[1]", "gates[0].max", "gates[1].metric", "onFailure"])
        #expect(found.map(\.line) == [1, 2, 5, 6, 8])
        do throws(PolicyFileError) {
            _ = try RolloutPolicyFile(yaml: yaml, name: "wards.yaml")
            Issue.record("it was read")
        } catch {
            #expect(error.code == "policyInvalid" && error.fault == .caller)
            #expect(error.message.split(separator: "\n").count == 5)
            #expect(error.message.hasPrefix("wards.yaml:1:1: soack: There is no such field. Did you mean \"soak\"?\n"))
        }
    }
}
