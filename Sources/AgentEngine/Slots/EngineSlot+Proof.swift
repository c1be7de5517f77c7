package import AgentStore
internal import BundleFormat
package import MartletTypes
internal import ModelRuntime
internal import Trust

/// What a candidate must show before it serves.
extension EngineSlot {
    package func probe(_ record: GenerationRecord, quick: Bool) async throws {
        var checks: [ProbeCheck] = []
        if let digest = record.probes,
            let bytes = try await tools.store.blobs.document(digest, limit: Limits.apiBodyBytes)
        {
            checks = try Self.probes(bytes)
        }
        if quick { checks = Array(checks.prefix(1)) }
        let client = try engine(record).client
        let speaks = tools.traits(record.engine.name).speaks
        let result = await Prober().run(checks, client: client, embeds: tools.embeds(record), speaks: speaks)
        try Task.checkCancellation()
        if case .failed(let failure) = result {
            throw SlotFailure(.final, code: "probeFailed", message: "The candidate failed its probes: \(failure).")
        }
    }

    package func evaluate(_ record: GenerationRecord) async throws -> EvaluationResult {
        guard let digest = record.evaluation,
            let bytes = try await tools.store.blobs.document(digest, limit: Limits.evaluationBytes)
        else {
            throw SlotFailure(.retry, code: "missingFile", message: "The evaluation set is not in the store any more.")
        }
        let gate = tools.gate
        let result = await Evaluator { await Self.give(way: gate) }.run(
            rows: try Self.rows(bytes).sample(record.threshold?.rows), threshold: record.threshold,
            client: try engine(record).client, concurrency: record.settings.parallelRequests ?? 1)
        try Task.checkCancellation()
        // An engine that ended in the middle says nothing about its accuracy.
        _ = try engine(record)
        return result
    }

    /// A row waits for requests and for heat; the evaluation's end is for whoever cancels it.
    private static func give(way gate: BackgroundGate) async {
        do {
            try await gate.pass(longest: AgentLimits.longestRowYield)
        } catch {
            return
        }
    }

    private static func probes(_ bytes: [UInt8]) throws -> [ProbeCheck] {
        do {
            return try ProbeSet(parsing: bytes).checks
        } catch {
            throw SlotFailure(.final, code: "invalidProbes", message: error.message)
        }
    }

    /// The publisher checked the same bytes, so a set that cannot be read will not come right by itself.
    private static func rows(_ bytes: [UInt8]) throws -> EvaluationSet {
        do {
            return try EvaluationSet(parsing: bytes)
        } catch {
            throw SlotFailure(.final, code: "invalidEvaluationSet", message: error.message)
        }
    }

    package func shadow(
        _ record: GenerationRecord, _ policy: ShadowPolicy, progress: @escaping @Sendable (ShadowResult) -> Void
    ) async throws -> ShadowOutcome {
        let candidate = try engine(record)
        guard let routed, routed != record.id, let live = engines[routed]?.record else {
            return .notPossible("nothing serves in slot \(slot) now that it could be compared with")
        }
        guard [live, record].allSatisfy({ tools.traits($0.engine.name).speaks == .openai }) else {
            return .notPossible("answers of an engine that does not speak the OpenAI API are not compared")
        }
        if policy.comparison == .embedding, !tools.embeds(live) {
            return .notPossible("what serves makes no embeddings by which answers could be compared")
        }
        let parallel = tools.complete(live).parallelRequests ?? 1
        let run = ShadowRun(
            policy: policy, gateway: tools.gateway,
            live: ShadowRun.Live(
                slot: slot, generation: Int(live.id.number), client: EngineClient(socketPath: socket(live)),
                parallelRequests: parallel),
            candidate: candidate.client, mayAsk: tools.mayShadow)
        let result = await run.run(progress: progress)
        try Task.checkCancellation()
        // One that ended in the middle failed by that, whatever agreed before.
        _ = try engine(record)
        return .compared(result)
    }

    package func awaitIdle(_ time: Duration, waits: @Sendable () -> Void) async throws {
        var isTold = false
        while true {
            // While a request is open the slot is idle at the earliest when that time has passed.
            let idle = await idleTime() ?? .zero
            guard idle < time else { return }
            if !isTold { waits() }
            isTold = true
            try await Task.sleep(for: time - idle)
        }
    }

    private func idleTime() async -> Duration? { tools.gateway.idleTime(slot) }
}
