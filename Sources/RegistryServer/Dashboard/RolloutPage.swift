import MartletAPI
import MartletTypes
import RegistryStore

extension Dashboard {
    private struct Part {
        let device: String
        let wave: Int
        let state: String
        let tone: String
        let why: String?
        let evaluation: String
        let updated: String
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

    /// A rollout as it advances, with why it is where it is.
    func rollout(_ exchange: Exchange) async throws -> [String: Any] {
        let info = try await service.rollouts.rollout(
            try exchange.parameter("rollout"), within: try exchange.reach)
        let counts = DeviceRolloutState.allCases.compactMap { state -> Count? in
            guard let count = info.counts[state.rawValue], count > 0 else { return nil }
            return Count(state: PageWords.words(state.rawValue), tone: PageWords.tone(state), count: count)
        }
        return [
            "title": info.id.text, "id": info.id.text, "slot": info.slot.text,
            "releases": PageWords.references(info.releases), "fleet": RolloutRowView.fleet(info),
            "state": PageWords.words(info.state.rawValue), "tone": PageWords.tone(info.state), "reason": info.reason,
            "created": PageWords.time(info.created), "createdBy": info.createdBy,
            "bar": RolloutRowView.bar(info.counts), "counts": counts, "wave": min(info.wave + 1, max(info.waves, 1)),
            "waves": info.waves, "soak": "\(info.policy.soakSeconds) s", "maxFailures": info.policy.maxFailures,
            "onFailure": info.policy.onFailure == .pause ? "pause" : "roll back",
            "devices": (info.devices ?? []).map {
                Part(
                    device: $0.device.text, wave: $0.wave + 1, state: PageWords.words($0.state.rawValue),
                    tone: PageWords.tone($0.state), why: PageWords.why($0.code, $0.message),
                    evaluation: PageWords.evaluation($0.evaluation), updated: PageWords.time($0.updated))
            },
            "decisions": (info.decisions ?? []).reversed().map {
                Decision(time: PageWords.time($0.time), action: PageWords.words($0.action), reason: $0.reason)
            } as [Decision],
        ]
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
