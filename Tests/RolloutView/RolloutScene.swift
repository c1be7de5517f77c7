import MartletAPI
import MartletTypes

/// Rollouts to look at.
enum RolloutScene {
    static let begin = Timestamp(seconds: 1_780_000_000)

    static func name<Value: ValidatedString>(_ text: String) throws -> Value { try Value(text) }

    static func device(
        _ number: Int, _ state: DeviceRolloutState, wave: Int = 0, code: String? = nil, message: String? = nil,
        after seconds: Int64 = 0
    ) throws -> RolloutInfo.Device {
        RolloutInfo.Device(
            device: try name("pi-\(number)"), wave: wave, state: state, code: code, message: message,
            updated: begin + .seconds(seconds))
    }

    /// A rollout of these devices, with its counts.
    static func rollout(
        _ devices: [RolloutInfo.Device], state: RolloutState = .running, waves: Int = 2, wave: Int = 0,
        policy: RolloutPolicy = RolloutPolicy(waves: [.count(1)]), reason: String = "started by ann"
    ) throws -> RolloutInfo {
        func counts(_ devices: [RolloutInfo.Device]) -> [String: Int] {
            devices.reduce(into: [:]) { $0[$1.state.rawValue, default: 0] += 1 }
        }
        var info = RolloutInfo(
            id: try name("r-1"), slot: try name("triage"), releases: [try ReleasePath("clinic/triage/2.0.0")],
            fleet: try name("wards"), selector: try name("site=berlin"), state: state, reason: reason, policy: policy,
            created: begin, createdBy: "ann", wave: wave, waves: waves, counts: counts(devices), devices: devices,
            decisions: [])
        info.progress = (0..<waves).map { index in
            let members = devices.filter { $0.wave == index }
            return RolloutInfo.Wave(
                devices: members.count, counts: counts(members), soakSeconds: 0, confirm: false)
        }
        return info
    }

    /// A latency gate with a result.
    static func gate(_ verdict: String, value: Double?, baseline: Double?, effect: Double?) -> GateStanding {
        var result = GateResult(gate: .timePerOutputToken, verdict: verdict, method: "mannWhitney", sentence: "slower")
        result.value = value
        result.baseline = baseline
        result.effect = effect
        result.devices = 5
        result.baselineDevices = 12
        return GateStanding(
            gate: RolloutGatePolicy(
                metric: .timePerOutputToken, baseline: .init(tolerance: 1.2), failureLimit: 1),
            failures: verdict == "failed" ? 1 : 0, result: result)
    }
}
