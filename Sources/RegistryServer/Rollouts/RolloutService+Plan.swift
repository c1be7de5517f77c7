import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension RolloutService {
    /// What a rollout would do; the same request started gives the same waves while the fleet stays.
    ///
    /// Throws what `start` throws.
    func plan(_ request: RolloutRequest, within reach: Reach) async throws -> RolloutPlan {
        let core = core
        return try await core.database.read { sql in
            let now = core.clock()
            let draft = try Self.draft(request, reach, sql, now: now)
            let waves = WavePlan.plan(of: draft.candidates, policy: request.policy, seed: Self.seed(request))
            let members = Set(draft.candidates.filter { $0.exclusion == nil }.map(\.device))
            let others = try RolloutStore(sql).openMembers(slot: request.slot, except: try RolloutID("r-plan"))
            let within = try RolloutReach(reach, sql)
            let supersedes = try others.filter { other in
                guard !members.isDisjoint(with: other.devices), let row = try RolloutStore(sql).find(other.rollout)
                else { return false }
                return try within.contains(row)
            }
            return RolloutPlan(
                waves: waves.map {
                    RolloutPlan.Wave(
                        devices: $0.devices.map(\.device), size: $0.rule?.size, selector: $0.rule?.selector,
                        soakSeconds: $0.soakSeconds, confirm: $0.confirm)
                },
                skipped: try skipped(draft, request, sql), conditions: request.policy.conditions,
                maxInFlight: request.policy.maxInFlight,
                leastSeconds: Self.leastSeconds(waves.map { ($0.devices.count, $0.soakSeconds) }, request.policy),
                supersedes: supersedes.map(\.rollout))
        }
    }

    /// Devices that a person keeps out, and those of which the inventory says that no build of the release fits.
    private func skipped(
        _ draft: Draft, _ request: RolloutRequest, _ sql: any SQLConnection
    ) throws -> [RolloutPlan.Skip] {
        let variants = try request.releases.map { path in
            (path, try OperatorService.release(path, sql).variants)
        }
        return try draft.candidates.compactMap { candidate in
            if let exclusion = candidate.exclusion {
                return .init(device: candidate.device, code: exclusion.code, reason: exclusion.message)
            }
            guard let document = try DeviceStore(sql).inventory(candidate.device) else { return nil }
            let box = Box(document)
            for (path, builds) in variants where !builds.isEmpty {
                let misfits = builds.compactMap(box.misfit)
                guard misfits.count == builds.count else { continue }
                return .init(
                    device: candidate.device, code: "noVariantFits",
                    reason: "no build of \(path.reference) fits: " + Set(misfits).sorted().joined(separator: "; "))
            }
            return nil
        }
    }

    /// What of an inventory decides whether a build can fit at all. The device itself looks closer.
    private struct Box {
        private let architecture: String?
        private let memory: ByteCount?

        init(_ inventory: JSONValue) {
            let facts = inventory.object?["facts"]?.object
            architecture = facts?["architecture"]?.string
            memory = facts?["memory"]?.object?["total"]?.integer.map { ByteCount($0) }
        }

        /// Why a build does not fit; nil where it may.
        func misfit(_ variant: VariantRow) -> String? {
            // The platform of an OCI descriptor, OS/ARCHITECTURE[/VARIANT]; weights are for `unknown/unknown`.
            let built = variant.architecture.split(separator: "/").dropFirst().first.map(String.init) ?? "unknown"
            if let architecture, built != "unknown", built != architecture {
                return "\(variant.quantization) is for \(variant.architecture), the device is \(architecture)"
            }
            if let memory, let least = variant.minMemory, least > memory {
                return "\(variant.quantization) needs \(least), the device has \(memory)"
            }
            return nil
        }
    }

    /// Seconds that soaks, the limit in flight and the rate of starting take, however fast devices are.
    static func leastSeconds(_ waves: [(devices: Int, soakSeconds: Int)], _ policy: RolloutPolicy) -> Int {
        var seconds = 0.0
        var rate = policy.rate?.perMinute ?? 0
        var started = 0
        for wave in waves {
            var starting = 0.0
            if let pace = policy.rate, rate > 0 {
                for _ in 0..<wave.devices {
                    starting += 60 / rate
                    started += 1
                    guard pace.growth > 1, started.isMultiple(of: pace.growAfter) else { continue }
                    rate = min(rate * pace.growth, pace.maxPerMinute ?? .infinity)
                }
            }
            let rounds = policy.maxInFlight.map { max(1, (wave.devices + $0 - 1) / $0) } ?? 1
            seconds += max(starting, Double(rounds * policy.soakSeconds)) + Double(wave.soakSeconds)
        }
        return Int(min(seconds, 1e12).rounded(.up))
    }
}

extension ExemptionRow {
    /// Who keeps it out, until when, and why.
    var sentence: String {
        let what = slot.map { "slot \($0) is pinned" } ?? "the device is held out"
        return "\(what) by \(actor)\(expires.map { " until \($0)" } ?? "")\(reason.isEmpty ? "" : ": \(reason)")"
    }
}
