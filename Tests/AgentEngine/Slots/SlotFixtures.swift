import AgentEngine
import AgentStore
import MartletTypes
import Trust

/// Values for tests of slots.
enum SlotFixtures {
    static let start = Timestamp(seconds: 1_800_000_000)

    static func slot(_ name: String = "triage") throws -> SlotName { try SlotName(name) }

    static func release(_ version: String) throws -> AssignedRelease {
        AssignedRelease(
            path: try ReleasePath("clinic/triage/\(version)"), indexDigest: .of(Array(version.utf8)), length: 1)
    }

    static func target(
        _ version: String, generation: Int64, soak: Int = 10, evaluation: UpdatePolicy.EvaluationTime = .beforeSwitch,
        conditions: UpdateConditions? = nil, shadow: ShadowPolicy? = nil
    ) throws -> SlotTarget {
        SlotTarget(
            assignment: SlotAssignment(
                releases: [try release(version)], generation: generation,
                update: UpdatePolicy(
                    soakSeconds: soak, evaluation: evaluation, conditions: conditions, shadow: shadow)),
            number: generation, expires: start + .seconds(86_400))
    }

    static func generation(_ id: Int64, _ target: SlotTarget, slot: SlotName) -> GenerationRecord {
        GenerationRecord(
            id: GenerationID(id), slot: slot, assigned: target.generation, rollout: nil,
            releases: target.assignment.releases, settings: target.assignment.settings,
            engine: EngineRequirement(name: "llama.cpp"), variants: [], files: [], documents: [],
            shape: ModelShape(
                architecture: "llama", parameterCount: 1, quantization: "Q4_0", fileSize: .zero, tensorBytes: .zero),
            created: start)
    }

    static func generation(_ id: Int64, _ version: String, _ assigned: Int64) throws -> GenerationRecord {
        generation(id, try target(version, generation: assigned), slot: try slot())
    }

    /// A generation of the agent's own slot, whose program is in the store.
    static func program(_ bytes: [UInt8], _ target: SlotTarget, in store: AgentStore) async throws -> GenerationRecord {
        try await store.blobs.put(bytes, as: .of(bytes))
        var record = generation(target.generation, target, slot: try SlotName(MartletVersion.agentSlot))
        record.files = [
            GenerationFile(role: .program, name: ProgramFolder.name, digest: .of(bytes), size: ByteCount(bytes.count))
        ]
        return record
    }

    static func result(_ correct: Int, of rows: Int = 10, demanded: Double = 0.9) -> EvaluationResult {
        EvaluationResult(rows: rows, correct: correct, failed: 0, medianMilliseconds: 5, minAccuracy: demanded)
    }

    static func shadowed(_ agreed: Int, of compared: Int = 10) -> ShadowResult {
        ShadowResult(
            compared: compared, agreed: agreed, failed: 0, passedOver: 0, liveMedianMilliseconds: 5,
            candidateMedianMilliseconds: 5)
    }

    /// A machine whose slot serves 1.0.0, and has 0.9.0 to go back to.
    static func committed() throws -> SlotMachine {
        var record = SlotRecord(slot: try slot())
        record.phase = .committed
        record.target = try target("1.0.0", generation: 1)
        record.current = try generation(1, "1.0.0", 1)
        record.previous = try generation(0, "0.9.0", 0)
        return SlotMachine(record: record)
    }
}

extension SlotAction {
    /// The action without its values, for tables.
    var word: String {
        switch self {
        case .cancelWork: "cancelWork"
        case .look: "look"
        case .plan: "plan"
        case .fetch: "fetch"
        case .verify: "verify"
        case .check: "check"
        case .stage: "stage"
        case .startCandidate: "startCandidate"
        case .probe: "probe"
        case .evaluate: "evaluate"
        case .shadow: "shadow"
        case .awaitIdle: "awaitIdle"
        case .switchOver: "switchOver"
        case .serve(let record): "serve \(record.releases[0].path.version)"
        case .endOthers: "endOthers"
        case .endAll: "endAll"
        case .point: "point"
        case .collect: "collect"
        case .empty: "empty"
        case .wake: "wake"
        }
    }
}
