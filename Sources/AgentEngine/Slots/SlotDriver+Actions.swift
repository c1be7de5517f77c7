internal import AgentStore
internal import Logging
internal import MartletAPI
internal import MartletTypes
internal import ModelRuntime
internal import Trust

extension SlotDriver {
    /// Carries out an action, or returns what is to run beside the driver.
    func perform(_ action: SlotAction) async -> (@Sendable () async -> Void)? {
        switch action {
        case .cancelWork: callOff()
        case .plan(let target): return begin { try await self.planned(target) }
        case .look(let conditions, let notBefore):
            return begin { self.look(conditions, notBefore) }
        case .fetch: return begin { try await self.fetched() }
        case .verify:
            return begin {
                try await self.tools.installer.verify(try await self.currentPlan())
                return .verified
            }
        case .check:
            return begin {
                try await self.tools.installer.check(try await self.currentPlan())
                return .checked
            }
        case .stage:
            return begin {
                let staged = try await self.tools.installer.stage(try await self.currentPlan())
                let needsPlace = await self.tools.engines.swapMode(staged.record) == .replace
                return .staged(staged.record, owesEvaluation: staged.owesEvaluation, needsPlace: needsPlace)
            }
        case .startCandidate, .probe, .evaluate, .shadow, .awaitIdle, .switchOver:
            return await performOnCandidate(action)
        case .serve(let record): command { await self.serve(record) }
        case .endOthers(let spared): command { await self.runtime.endOthers(sparing: spared) }
        case .endAll: command { await self.runtime.endAll(forget: false) }
        case .point(let current, let previous): await point(current, previous)
        case .collect: await collect()
        case .empty: command { await self.empty() }
        case .wake(let time):
            let waitsForClock = record.phase == .waiting && record.failedTry?.code == SlotFailure.clock
            return {
                do { try await self.tools.clock.sleep(until: time, orTrusted: waitsForClock) } catch { return }
                self.send(.woke)
            }
        }
        return nil
    }

    private func performOnCandidate(_ action: SlotAction) async -> (@Sendable () async -> Void)? {
        let runtime = runtime
        switch action {
        case .startCandidate(let record):
            enqueue {
                let started = try await runtime.startCandidate(record)
                return .candidateReady(started.mode, milliseconds: started.milliseconds)
            }
        case .probe(let record):
            let quick = plan?.isInstalled ?? false
            return begin {
                try await runtime.probe(record, quick: quick)
                return .probed
            }
        case .evaluate(let record):
            return begin {
                let result = try await runtime.evaluate(record)
                if result.passed { await self.remember(result, record) }
                return .evaluated(result)
            }
        case .shadow(let record, let policy): return shadow(record, policy)
        case .awaitIdle(let seconds):
            let reason = "The slot must have had no request for \(seconds) s."
            let send = sender()
            return begin {
                try await runtime.awaitIdle(.seconds(seconds)) { send(.mustWait(reason, until: nil)) }
                return .mayBegin
            }
        case .switchOver(let record, _):
            enqueue {
                .switched(unavailableMilliseconds: try await runtime.switchOver(record).inMilliseconds)
            }
        default: break
        }
        return nil
    }

    // MARK: Work

    private func callOff() {
        work?.cancel()
        work = nil
        plan = nil
    }

    /// Work that runs beside the driver; its result is an event that counts only if nothing came in between.
    private func begin(_ step: @escaping @Sendable () async throws -> SlotEvent) -> @Sendable () async -> Void {
        let token = WorkToken()
        work = token
        return { await token.run { await self.carryOut(step, token) } }
    }

    /// Work on the engines: in order with the other commands.
    private func enqueue(_ step: @escaping @Sendable () async throws -> SlotEvent) {
        command(begin(step))
    }

    private nonisolated func carryOut(
        _ step: @Sendable () async throws -> SlotEvent, _ token: WorkToken
    ) async {
        do {
            try Task.checkCancellation()
            send(try await step(), token)
        } catch is CancellationError {
            return
        } catch {
            // A step that is called off says nothing about the release: its child was killed, its file let go.
            guard !Task.isCancelled else { return }
            send(.failed(Self.failure(error)), token)
        }
    }

    private static func failure(_ error: any Error) -> SlotFailure {
        switch error {
        case let error as RuntimeError where error.kind == .engineMissing || error.kind == .confinementUnavailable:
            // A person can mend it without a new assignment.
            SlotFailure.from(error, otherwise: .retry)
        case is RuntimeError: SlotFailure.from(error, otherwise: .final)
        default: SlotFailure.from(error, otherwise: .retry)
        }
    }

    private func shadow(_ record: GenerationRecord, _ policy: ShadowPolicy) -> @Sendable () async -> Void {
        let (runtime, send) = (runtime, sender())
        return begin {
            switch try await runtime.shadow(record, policy, progress: { send(.shadowProgress($0)) }) {
            case .compared(let result): return .shadowed(result)
            case .notPossible(let reason): return .shadowNotPossible(reason)
            }
        }
    }

    /// Sends what is told on the way of a step; of a step that was called off the machine takes no notice.
    private func sender() -> @Sendable (SlotEvent) -> Void { { self.send($0) } }

    private nonisolated func look(_ conditions: UpdateConditions, _ notBefore: Timestamp?) -> SlotEvent {
        let check = ConditionCheck(conditions: conditions, notBefore: notBefore)
        switch check.verdict(tools.clock.now, tools.surroundings) {
        case .begin: return .mayBegin
        case .wait(let reason, let until): return .mustWait(reason, until: until)
        }
    }

    private func planned(_ target: SlotTarget) async throws -> SlotEvent {
        // Nothing is begun that could not be tried; the way back to what serves does not come by here.
        if slot != SlotName.agent, let reason = tools.engines.startRefusal() { throw SlotFailure.tooHot(reason) }
        let plan = try await tools.installer.plan(target, record: record)
        self.plan = plan
        return .planned(blobs: plan.blobs, missing: plan.missing, installed: plan.isInstalled)
    }

    private func fetched() async throws -> SlotEvent {
        let start = ContinuousClock.now
        let bytes = try await tools.installer.fetch(try currentPlan())
        return .fetched(bytes: bytes, milliseconds: (ContinuousClock.now - start).inMilliseconds)
    }

    private func currentPlan() throws -> InstallPlan {
        guard let plan else { throw CancellationError() }
        return plan
    }

    private func remember(_ result: EvaluationResult, _ record: GenerationRecord) async {
        do {
            try await tools.store.journal.remember(
                result, release: record.contentDigest, variant: record.variantDigest, at: tools.clock.now)
        } catch {
            // It will be evaluated once more, which costs time and nothing else.
            logger.warning("evaluation not remembered", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }

    // MARK: Serving and upkeep

    private func serve(_ record: GenerationRecord) async {
        do {
            // A candidate proves itself by running.
            try await runtime.serve(record, mayRest: record.id == self.record.current?.id)
            send(.served(record.id))
        } catch is CancellationError {
            return
        } catch {
            let summary = ErrorSummary(error)
            logger.error("slot does not serve", metadata: ["error": "\(summary.message)"])
            tools.suspect(record)
            // The runtime tries again by itself and tells when that is hopeless.
            send(.serveFailed(record.id, SlotFailure(.retry, code: summary.code, message: summary.message)))
        }
    }

    private func point(_ current: GenerationID?, _ previous: GenerationID?) async {
        do {
            try await tools.store.generations.point(slot, current: current, previous: previous)
        } catch {
            // The links are for an agent without its journal; they are set again at the next start.
            logger.warning("links not set", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }

    private func collect() async {
        do {
            try await tools.store.generations.collect(slot, keeping: record.generations)
        } catch {
            logger.warning("generations not collected", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
        await tell(.garbage)
    }

    private func empty() async {
        await runtime.endAll(forget: true)
        guard record.target == nil, record.current == nil else { return }
        do {
            try await tools.store.generations.collect(slot, keeping: [])
            try await tools.store.journal.remove(slot, transition: nil)
        } catch {
            // An empty record is harmless: the next start finds nothing to do for it.
            logger.warning("slot not removed", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
        await tell(.garbage)
        await tell(.emptied)
    }

    /// Once for each start of the agent: for how long the slot had been unavailable.
    func tellServing(_ id: GenerationID) async {
        guard !hasServed else { return }
        hasServed = true
        let unavailable = (ContinuousClock.now - tools.started).inMilliseconds
        logger.info("slot serves", metadata: ["generation": "\(id)", "afterMilliseconds": "\(unavailable)"])
        var figures = InstallFigures()
        figures.unavailableMilliseconds = unavailable
        let report = SlotReport(
            target: nil, code: "servingAgain",
            message: "Slot \(slot) serves \(unavailable) ms after the agent's start.", figures: figures)
        await self.report([report].compactMap(body(orLog:)))
        // The inventory says so too, also where the disk does not take the report.
        tools.changed()
    }

    /// A report as the registry gets it; its sequence is the outbox's.
    func body(of report: SlotReport) throws -> [UInt8] {
        try JSONText.encode(
            DeviceReport(
                sequence: 0, time: tools.clock.now, slot: slot, generation: report.target?.generation,
                rollout: report.target?.assignment.rollout, releases: report.target?.paths ?? [], state: report.state,
                code: report.code, message: report.message, figures: report.figures.map(DeviceReport.Figures.init)))
    }
}

extension DeviceReport.Figures {
    fileprivate init(_ figures: InstallFigures) {
        self.init(
            bytesFetched: figures.bytesFetched, fetchMilliseconds: figures.fetchMilliseconds,
            startMilliseconds: figures.startMilliseconds, unavailableMilliseconds: figures.unavailableMilliseconds,
            cutStreams: figures.cutStreams, evaluation: figures.evaluation, shadow: figures.shadow)
    }
}
