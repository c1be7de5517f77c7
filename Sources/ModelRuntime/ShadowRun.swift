package import MartletTypes
internal import NIOCore

/// Asks a candidate what the running engine was asked, after it answered, and compares the two answers.
///
/// One question at a time, and none where the device has better to do. Of prompts and answers nothing is kept, logged
/// or told but whether they agree and how long they took.
package struct ShadowRun: Sendable {
    /// The engine that serves.
    package struct Live: Sendable {
        package let slot: SlotName
        package let generation: Int
        package let client: EngineClient
        /// Requests that it answers at once.
        package let parallelRequests: Int

        package init(slot: SlotName, generation: Int, client: EngineClient, parallelRequests: Int) {
            self.slot = slot
            self.generation = generation
            self.client = client
            self.parallelRequests = parallelRequests
        }
    }

    private let policy: ShadowPolicy
    private let gateway: Gateway
    private let live: Live
    private let candidate: EngineClient
    private let mayAsk: @Sendable () -> Bool
    private let random: @Sendable () -> Double

    /// `mayAsk` says whether memory and heat allow a question now.
    package init(
        policy: ShadowPolicy, gateway: Gateway, live: Live, candidate: EngineClient,
        mayAsk: @escaping @Sendable () -> Bool = { true },
        random: @escaping @Sendable () -> Double = { .random(in: 0..<1) }
    ) {
        var policy = policy
        policy.samples = min(max(policy.samples, 1), RuntimeLimits.shadowSamples)
        policy.maxSeconds = min(max(policy.maxSeconds, 1), RuntimeLimits.shadowSeconds)
        self.policy = policy
        self.gateway = gateway
        self.live = live
        self.candidate = candidate
        self.mayAsk = mayAsk
        self.random = random
    }

    /// Shadows until enough answers were compared, the time is over, it is certain that too few agree, or the task is
    /// cancelled. `progress` hears of each quarter of the way.
    package func run(progress: @Sendable (ShadowResult) -> Void = { _ in }) async -> ShadowResult {
        let tap = ShadowTap(
            sharePermille: policy.sharePermille, liveSlots: live.parallelRequests, random: random)
        gateway.openTap(tap, slot: live.slot)
        defer { gateway.closeTap(tap, slot: live.slot) }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await Task.sleep(for: .seconds(policy.maxSeconds)) } catch { return }
                tap.close()
            }
            let result = await compare(tap, progress)
            group.cancelAll()
            return result
        }
    }

    private func compare(_ tap: ShadowTap, _ progress: @Sendable (ShadowResult) -> Void) async -> ShadowResult {
        var tally = ShadowTally()
        var told = 0
        while let sample = await tap.next() {
            switch await outcome(of: sample, tap) {
            case .passedOver: tap.passOver()
            case .nothing: break
            case .compared(let agrees, let times): tally.add(agrees, times)
            case .failed: tally.fail()
            }
            let result = tally.result(passedOver: tap.passedOver)
            guard result.compared < policy.samples, !policy.isRefuted(by: result) else { break }
            let quarter = result.compared * 4 / policy.samples
            if quarter > told {
                told = quarter
                progress(result)
            }
        }
        return tally.result(passedOver: tap.passedOver)
    }

    // MARK: One question

    private enum Outcome: Sendable {
        /// It was no time for it.
        case passedOver
        /// The live answer is none that could be compared.
        case nothing
        case compared(agrees: Bool, ShadowTally.Times)
        /// The candidate gave no answer.
        case failed
    }

    private func outcome(of sample: ShadowSample, _ tap: ShadowTap) async -> Outcome {
        guard let said = AnswerText.whole(of: Array(sample.answer.readableBytesView), isStream: sample.isStream),
            let question = Self.question(from: sample.request)
        else { return .nothing }
        tap.relax()
        let waiting = await gateway.inFlight(live.slot, generation: live.generation) > live.parallelRequests
        guard !waiting, mayAsk() else { return .passedOver }
        return await withTaskGroup(of: Outcome.self) { group in
            group.addTask { await self.ask(question, sample, said) }
            group.addTask {
                await tap.pressure()
                return .passedOver
            }
            let first = await group.next() ?? .nothing
            group.cancelAll()
            return first
        }
    }

    private func ask(_ question: [UInt8], _ sample: ShadowSample, _ said: String) async -> Outcome {
        let start = ContinuousClock.now
        let answer: EngineExchange.Answer
        do throws(RuntimeError) {
            answer = try await EngineExchange.send(
                socketPath: candidate.socketPath, method: "POST", path: sample.path, body: question,
                timeout: .seconds(RuntimeLimits.answerSeconds))
        } catch {
            // Broken off by us is not a failure of the candidate's.
            return Task.isCancelled ? .nothing : .failed
        }
        let duration = ContinuousClock.now - start
        // Loading, or as many requests as it can hold: it was busy.
        guard answer.status != 503 else { return .passedOver }
        guard answer.status == 200, let text = AnswerText.whole(of: answer.body, isStream: false) else {
            return .failed
        }
        let times = ShadowTally.Times(
            live: sample.duration.inSeconds * 1000, candidate: duration.inSeconds * 1000,
            liveToken: AnswerFigures.tokenMilliseconds(sample.answer),
            candidateToken: AnswerFigures.tokenMilliseconds(ByteBuffer(bytes: answer.body)))
        guard let agrees = await agree(said, text) else { return .nothing }
        return .compared(agrees: agrees, times)
    }

    /// Whether two answers agree; nil where that could not be found out.
    private func agree(_ said: String, _ text: String) async -> Bool? {
        switch policy.comparison {
        case .label: return AnswerText.label(said) == AnswerText.label(text)
        case .normalized: return AnswerText.normalized(said) == AnswerText.normalized(text)
        case .embedding:
            if AnswerText.normalized(said) == AnswerText.normalized(text) { return true }
            guard !said.isEmpty, !text.isEmpty else { return false }
            do throws(RuntimeError) {
                let left = try await live.client.embedding(of: said)
                let right = try await live.client.embedding(of: text)
                return AnswerText.cosine(left, right).map { $0 * 1000 >= Double(policy.minSimilarityPermille) }
            } catch {
                return nil
            }
        }
    }

    /// The same question, to be answered at once. All else stays as the client has it, seed and temperature too.
    private static func question(from request: ByteBuffer) -> [UInt8]? {
        guard case .object(var members)? = try? JSONValue(parsing: Array(request.readableBytesView)) else { return nil }
        members["stream"] = .bool(false)
        members["stream_options"] = nil
        return try? JSONText.encode(JSONValue.object(members))
    }
}

/// Counts what shadowing found.
struct ShadowTally {
    /// Milliseconds of one pair of answers; those of a token where the engine told.
    struct Times: Sendable {
        let live: Double
        let candidate: Double
        let liveToken: Double?
        let candidateToken: Double?
    }

    private var agreed = 0
    private var failed = 0
    private var times: [Times] = []

    mutating func add(_ agrees: Bool, _ times: Times) {
        agreed += agrees ? 1 : 0
        self.times.append(times)
    }

    mutating func fail() { failed += 1 }

    func result(passedOver: Int) -> ShadowResult {
        ShadowResult(
            compared: times.count + failed, agreed: agreed, failed: failed, passedOver: passedOver,
            liveMedianMilliseconds: Quantile.median(times.map(\.live)) ?? 0,
            candidateMedianMilliseconds: Quantile.median(times.map(\.candidate)) ?? 0,
            liveTokenMilliseconds: Quantile.median(times.compactMap(\.liveToken)),
            candidateTokenMilliseconds: Quantile.median(times.compactMap(\.candidateToken)))
    }
}
