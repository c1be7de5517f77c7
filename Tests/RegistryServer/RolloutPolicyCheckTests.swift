import MartletTypes
import Testing

@testable import RegistryServer

@Suite("A policy is checked field by field")
struct RolloutPolicyCheckTests {
    /// What a policy in JSON is refused for; nil where it is not.
    private static func refusal(_ json: String) throws -> ServerError? {
        let policy = try JSONText.decode(RolloutPolicy.self, from: Array(json.utf8))
        do {
            try RolloutPolicyCheck.require(policy)
            return nil
        } catch let error as ServerError {
            return error
        }
    }

    static let wrong: [(String, String)] = [
        (#"{"soakSeconds": -1}"#, "/policy/soakSeconds"), (#"{"maxFailures": -1}"#, "/policy/maxFailures"),
        (#"{"maxInFlight": 0}"#, "/policy/maxInFlight"),
        (#"{"deviceDeadlineSeconds": 0}"#, "/policy/deviceDeadlineSeconds"),
        (#"{"waves": ["10%", "10%"]}"#, "/policy/waves/1"), (#"{"waves": ["5", "3"]}"#, "/policy/waves/1"),
        (#"{"waves": [{"confirm": true}]}"#, "/policy/waves/0"),
        (#"{"waves": [{"size": "1", "soakSeconds": 99999999}]}"#, "/policy/waves/0/soakSeconds"),
        (#"{"rate": {"perMinute": 0, "growth": 1, "growAfter": 1}}"#, "/policy/rate/perMinute"),
        (#"{"rate": {"perMinute": 1, "growth": 0.5, "growAfter": 1}}"#, "/policy/rate/growth"),
        (
            #"{"rate": {"perMinute": 9, "growth": 1, "growAfter": 1, "maxPerMinute": 3}}"#, "/policy/rate/maxPerMinute"
        ),
        (
            #"{"retry": {"attempts": 101, "backoffSeconds": 1, "maxBackoffSeconds": 1, "causes": []}}"#,
            "/policy/retry/attempts"
        ),
        (
            #"{"retry": {"attempts": 1, "backoffSeconds": 9, "maxBackoffSeconds": 1, "causes": []}}"#,
            "/policy/retry/maxBackoffSeconds"
        ),
        (
            #"{"thresholds": [{"outcomes": [], "causes": [], "maxShare": 0.1, "minCompleted": 5, "confidence": 0.9}]}"#,
            "/policy/thresholds/0/outcomes"
        ),
        (
            """
            {"thresholds": [{"outcomes": ["succeeded"], "causes": [], "maxShare": 0.1, "minCompleted": 5,
             "confidence": 0.9}]}
            """, "/policy/thresholds/0/outcomes"
        ),
        (
            """
            {"thresholds": [{"outcomes": ["failed"], "causes": [], "maxShare": 1.1, "minCompleted": 5,
             "confidence": 0.9}]}
            """, "/policy/thresholds/0/maxShare"
        ),
        (#"{"gates": [{"metric": "crash.count"}]}"#, "/policy/gates/0"),
        (#"{"gates": [{"metric": "request.error_rate", "max": 2}]}"#, "/policy/gates/0/max"),
        (#"{"gates": [{"metric": "temperature", "max": 10, "min": 20}]}"#, "/policy/gates/0/min"),
        (
            #"{"gates": [{"metric": "temperature", "baseline": {"tolerance": 0.5, "confidence": 0.9}}]}"#,
            "/policy/gates/0/baseline/tolerance"
        ),
        (
            #"{"gates": [{"metric": "eval.accuracy", "baseline": {"tolerance": 0.1, "confidence": 1}}]}"#,
            "/policy/gates/0/baseline/confidence"
        ),
        (#"{"gates": [{"metric": "temperature", "max": 80, "minDevices": 0}]}"#, "/policy/gates/0/minDevices"),
        (
            #"{"gates": [{"metric": "temperature", "max": 80, "intervalSeconds": 0}]}"#,
            "/policy/gates/0/intervalSeconds"
        ),
        (#"{"gates": [{"metric": "shadow.agreement", "min": 0.9}]}"#, "/policy/gates/0/metric"),
        (
            #"{"conditions": {"windows": [{"days": [8], "startMinute": 0, "minutes": 60}]}}"#,
            "/policy/conditions/windows/0/days"
        ),
        (
            #"{"conditions": {"windows": [{"days": [], "startMinute": 1440, "minutes": 60}]}}"#,
            "/policy/conditions/windows/0/startMinute"
        ),
        (#"{"conditions": {"belowCelsius": 500}}"#, "/policy/conditions/belowCelsius"),
        (#"{"conditions": {"bytesPerSecond": 1}}"#, "/policy/conditions/bytesPerSecond"),
        (
            """
            {"shadow": {"sharePermille": 0, "comparison": "label", "minSimilarityPermille": 900, "samples": 1,
             "maxSeconds": 1}}
            """, "/policy/shadow/sharePermille"
        ),
    ]

    @Test("and the one that is wrong is named by its pointer, with what to write", arguments: wrong)
    func refused(json: String, field: String) throws {
        let refusal = try #require(try Self.refusal(json), "\(json)")
        #expect(refusal.field == field && refusal.status == 400, "\(refusal)")
        #expect(refusal.message.hasPrefix(field) && !refusal.remedy.isEmpty, "\(refusal)")
    }

    @Test(
        "and what can be carried out passes",
        arguments: [
            "{}", #"{"waves": ["1", "10%", {"size": "50%", "soakSeconds": 60, "confirm": true}]}"#,
            #"{"waves": [{"selector": "site=berlin"}, {"size": "10%"}], "membership": "dynamic", "order": ["ring=a"]}"#,
            #"{"gates": [{"metric": "time_per_output_token.p50", "baseline": {"tolerance": 1.2, "confidence": 0.9}}]}"#,
            """
            {"gates": [{"metric": "shadow.agreement", "min": 0.9}], "shadow": {"sharePermille": 100,
             "comparison": "normalized", "minSimilarityPermille": 900, "samples": 50, "maxSeconds": 3600}}
            """,
        ])
    func passes(json: String) throws {
        #expect(try Self.refusal(json) == nil, "\(json)")
    }

    @Test("The least time counts soaks, the limit in flight and the rate, which grows")
    func leastSeconds() {
        func seconds(_ waves: [(devices: Int, soakSeconds: Int)], _ policy: RolloutPolicy) -> Int {
            RolloutService.leastSeconds(waves, policy)
        }
        #expect(seconds([(10, 60), (90, 0)], RolloutPolicy(soakSeconds: 10)) == 80)
        #expect(seconds([(10, 0)], RolloutPolicy(soakSeconds: 10, maxInFlight: 3)) == 40)
        #expect(seconds([(10, 0)], RolloutPolicy(soakSeconds: 1, rate: RolloutRate(perMinute: 1))) == 600)
        let growing = RolloutRate(perMinute: 1, growth: 2, growAfter: 1, maxPerMinute: 4)
        #expect(seconds([(4, 0)], RolloutPolicy(soakSeconds: 1, rate: growing)) == 60 + 30 + 15 + 15)
    }
}
