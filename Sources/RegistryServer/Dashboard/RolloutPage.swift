import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension Dashboard {
    private struct Part {
        let device: String
        let wave: Int
        let state: String
        let tone: String
        let why: String?
        let evaluation: String
        let updated: String

        init(_ part: RolloutInfo.Device) {
            device = part.device.text
            wave = part.wave + 1
            state = PageWords.words(part.state.rawValue)
            tone = PageWords.tone(part.state)
            why = PageWords.why(part.code, part.message)
            evaluation = PageWords.evaluation(part.evaluation)
            updated = PageWords.time(part.updated)
        }
    }

    private struct Count {
        let state: String
        let tone: String
        let count: Int
    }

    private struct Decision {
        let time: String
        let action: String
        let reason: String
    }

    private struct Wave {
        let number: Int
        let devices: Int
        let state: String
        let tone: String
        let bar: String
        let progress: String
        let after: String
    }

    private struct Gate {
        let name: String
        let rule: String
        let verdict: String
        let tone: String
        let picture: String?
        let sentence: String
    }

    /// What the devices of one profile proved.
    private struct Proof {
        let profile: String
        let devices: Int
        let right: String
        let lowest: String
        let times: String
        let shadow: String

        init(_ proof: ProfileProof) {
            profile = proof.profile.isEmpty ? "–" : proof.profile
            devices = max(proof.evaluation?.devices ?? 0, proof.shadow?.devices ?? 0)
            right = proof.evaluation.map { "\($0.correct) of \($0.rows)" } ?? "–"
            lowest = proof.evaluation.map { "\(ProofFigures.share($0.lowestAccuracy)) (\($0.lowest))" } ?? "–"
            times =
                proof.evaluation.map {
                    "\(ProofFigures.milliseconds($0.medianMilliseconds)) ms"
                        + ($0.slowestP95Milliseconds.map { ", 95 % within \(ProofFigures.milliseconds($0)) ms" } ?? "")
                } ?? "–"
            shadow = proof.shadow.map { "\($0.agreed) of \($0.compared) agree" } ?? "–"
        }
    }

    /// Devices on the page; of more, those that need a look come first.
    private static let devicesShown = 300

    /// A rollout as it advances, with why it is where it is.
    func rollout(_ exchange: Exchange) async throws -> [String: Any] {
        let info = try await service.rollouts.rollout(
            try exchange.parameter("rollout"), within: try exchange.reach)
        let counts = DeviceRolloutState.allCases.compactMap { state -> Count? in
            guard let count = info.counts[state.rawValue], count > 0 else { return nil }
            return Count(state: PageWords.words(state.rawValue), tone: PageWords.tone(state), count: count)
        }
        let all = info.devices ?? []
        let left = (info.devicesLeft ?? 0) + max(0, all.count - Self.devicesShown)
        let gates = (info.gates ?? []).map(Self.gate)
        return [
            "title": info.id.text, "id": info.id.text, "slot": info.slot.text,
            "releases": PageWords.references(info.releases), "fleet": RolloutRowView.fleet(info),
            "state": PageWords.words(info.state.rawValue), "tone": PageWords.tone(info.state), "reason": info.reason,
            "created": PageWords.time(info.created), "createdBy": info.createdBy,
            "bar": RolloutRowView.bar(info.counts), "counts": counts, "wave": min(info.wave + 1, max(info.waves, 1)),
            "waves": info.waves, "soak": "\(info.policy.soakSeconds) s",
            "maxFailures": info.policy.maxFailures.map(String.init) ?? "by share",
            "onFailure": PageWords.words(info.policy.onFailure.rawValue),
            "confirms": info.phase == RolloutPhase.confirming.rawValue,
            "estimatedEnd": info.estimatedEnd.map(PageWords.time) ?? "–", "waveRows": Self.waves(info),
            "hasGates": !gates.isEmpty, "gates": gates, "hasProofs": info.proofs != nil,
            "proofs": (info.proofs ?? []).map(Proof.init), "devices": Self.shown(all).map(Part.init),
            "devicesLeft": left > 0 ? "\(left) more are not shown." : "",
            "decisions": (info.decisions ?? []).suffix(Self.devicesShown).reversed().map {
                Decision(time: PageWords.time($0.time), action: PageWords.words($0.action), reason: $0.reason)
            } as [Decision],
        ]
    }

    private static func shown(_ devices: [RolloutInfo.Device]) -> [RolloutInfo.Device] {
        guard devices.count > devicesShown else { return devices }
        let order = ["bad", "warn", "busy", "idle", "good"]
        let ranked = devices.map { (order.firstIndex(of: PageWords.tone($0.state)) ?? order.count, $0) }
        return ranked.sorted { ($0.0, $0.1.wave, $0.1.device) < ($1.0, $1.1.wave, $1.1.device) }
            .prefix(devicesShown).map(\.1)
    }

    private static func waves(_ info: RolloutInfo) -> [Wave] {
        (info.progress ?? []).enumerated().map { number, wave in
            let isOver = number < info.wave || info.state == .completed
            let isNow = number == info.wave && info.state == .running
            let state = isOver ? "passed" : isNow ? info.phase ?? "moving" : number == info.wave ? "stopped" : "waits"
            let after = [
                wave.soakSeconds > 0 ? "soaks \(wave.soakSeconds) s" : nil, wave.confirm ? "a person confirms" : nil,
            ].compactMap(\.self).joined(separator: ", ")
            return Wave(
                number: number + 1, devices: wave.devices, state: state,
                tone: isOver ? "good" : isNow ? (state == "confirming" ? "warn" : "busy") : "idle",
                bar: RolloutRowView.bar(wave.counts), progress: "\(wave.counts["succeeded"] ?? 0) of \(wave.devices)",
                after: after.isEmpty ? "–" : after)
        }
    }

    /// Up to three digits after the point.
    private static func figure(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\((value * 1000).rounded() / 1000)"
    }

    private static func gate(_ standing: GateStanding) -> Gate {
        let gate = standing.gate
        let rule = [
            gate.max.map { "at most \(figure($0))" }, gate.min.map { "at least \(figure($0))" },
            gate.baseline.map { baseline in
                gate.metric.isProportion
                    ? "at most \(figure(baseline.tolerance * 100)) points worse than before"
                    : "at most ×\(figure(baseline.tolerance)) worse than before"
            },
        ].compactMap(\.self).joined(separator: ", ")
        let verdict = standing.result?.verdict ?? "not measured"
        let tones = ["passed": "good", "failed": "bad", "inconclusive": "warn"]
        return Gate(
            name: gate.metric.rawValue, rule: rule, verdict: verdict, tone: tones[verdict] ?? "idle",
            picture: standing.result.flatMap { GatePicture($0)?.svg },
            sentence: standing.result?.sentence ?? "No device has measured it yet.")
    }

    private struct Variant {
        let quantization: String
        let architecture: String
        let size: String
        let minMemory: String
    }

    private struct Place {
        let device: String
        let slot: String
        let state: String
        let tone: String
        let evaluation: String
    }

    /// A release: what it is, and where it runs.
    func release(_ exchange: Exchange) async throws -> [String: Any] {
        let path: ReleasePath = try exchange.parameter("path")
        let reach = try exchange.reach
        let info = try await service.release(path, reach)
        let places = try await service.core.database.read { sql in
            let within = try DeviceReach(reach, sql).names(sql)
            let users = try ReleaseStore(sql).users(of: path, phase: .current)
            return try users.filter { within?.contains($0.device) ?? true }.map { device, slot in
                let row = try SlotStore(sql).slots(of: device)[slot]
                let isServing = row?.reported?.serving ?? false
                return Place(
                    device: device.text, slot: slot.text, state: isServing ? "serving" : "not serving",
                    tone: isServing ? "good" : "bad", evaluation: PageWords.evaluation(row?.progress?.evaluation))
            }
        }
        var facts = [
            Fact(name: "Index", value: info.indexDigest.text),
            Fact(name: "Repository", value: path.repository.text),
        ]
        if let base = info.base { facts.append(Fact(name: "Adapter of", value: base.reference)) }
        if let least = info.minAccuracy { facts.append(Fact(name: "Must reach", value: "accuracy \(least)")) }
        return [
            "title": path.reference, "reference": path.reference, "kind": info.kind.rawValue,
            "state": info.state.rawValue, "tone": PageWords.tone(info.state), "aliases": info.aliases.map(\.text),
            "published": PageWords.time(info.published), "facts": facts,
            "variants": info.variants.map {
                Variant(
                    quantization: $0.quantization, architecture: $0.architecture, size: $0.size.description,
                    minMemory: $0.minMemory?.description ?? "–")
            },
            "hasPlaces": !places.isEmpty, "places": places,
        ]
    }
}
