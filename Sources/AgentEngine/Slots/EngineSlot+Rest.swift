internal import AgentStore
package import MartletTypes
internal import ModelRuntime

/// Why no engine runs for what a slot shall serve. Not journaled: an agent that starts finds out anew.
package enum SlotRest: Sendable, Hashable {
    /// Its assignment says that only a request starts it.
    case onDemand
    /// It had no request for so long.
    case idle(Duration)
    /// Memory is with others, for good where those always run; the reason is the end of a sentence.
    case noRoom(String, isFinal: Bool)
    /// It made room for another slot.
    case displaced(by: SlotName)
}

/// What a slot's engines do now.
package struct SlotActivity: Sendable, Hashable {
    /// Why what shall serve has no engine; nil where it has one.
    package var rest: SlotRest?
    /// Whether its engine is being started for a request.
    package var isWaking: Bool
    /// What the engine that serves takes by the estimate, mapped files in full; nil where none runs.
    package var need: EngineNeed?
    /// How the limits of its assignment are kept; nil where it has none.
    package var limits: String?

    package init(rest: SlotRest? = nil, isWaking: Bool = false, need: EngineNeed? = nil, limits: String? = nil) {
        self.rest = rest
        self.isWaking = isWaking
        self.need = need
        self.limits = limits
    }
}

extension SlotActivity {
    /// For people.
    var words: String {
        if isWaking { return "starting for a request" }
        return switch rest {
        case nil: need == nil ? "not running" : "running"
        case .onDemand: "resting: started by a request"
        case .idle(let time): "resting: no request for \(time.inMilliseconds / 1000) s"
        case .noRoom(let reason, let isFinal): "\(isFinal ? "without room" : "resting"): \(reason)"
        case .displaced(let other): "resting: made room for \(other)"
        }
    }
}

/// Slots without an engine: ended when nobody asks or memory is short, started by the next request.
extension EngineSlot: RoomTenant {
    package func activity() async -> SlotActivity {
        let engine = routed.flatMap { engines[$0] }
        var activity = SlotActivity(rest: rest, isWaking: isWaking, limits: engine?.process.limits)
        if let engine { activity.need = await tools.room.need(of: tools.key(of: engine.record)) }
        return activity
    }

    // MARK: To rest

    /// Whether what shall serve starts only when it is asked something.
    func standsBy(_ record: GenerationRecord) -> SlotRest? {
        let start = SlotStanding(record.settings.residency).start
        guard engines[record.id] == nil, start != .always, !tools.gateway.isWaitedFor(slot) else { return nil }
        return rest ?? (start == .onDemand ? .onDemand : nil)
    }

    /// Lets requests start the engine from now on. The engine is ended by the caller, or was not running.
    func goToRest(_ reason: SlotRest) {
        rest = reason
        parkedSince = nil
        tools.gateway.rest(slot) { [spawn] in spawn { await self.wake() } }
        changed()
    }

    package func makeRoom(_ key: RoomClaim.Key, for other: SlotName, within time: Duration) async -> Bool {
        // One that is in the middle of something does not go; who asks, asks again.
        guard tryEnter() else { return false }
        defer { leave() }
        let id = GenerationID(key.generation)
        guard let engine = engines[id], !engine.isEnding else { return engines[id] == nil }
        if id == routed { return await retreat(id, .displaced(by: other), within: time) }
        guard wanted?.id != id else { return false }
        // It proves itself another time: told before its end, which would say something about the release.
        let message = "Memory went to slot \(other), which has requests."
        news(.lost(id, SlotFailure(.retry, code: "memoryTaken", message: message)))
        await end(id)
        return true
    }

    /// Ends the engine that serves, once its answers are over; requests that come meanwhile start it again. False
    /// where they are not over in time, or the slot is in the middle of an installation: it then serves on.
    private func retreat(_ id: GenerationID, _ reason: SlotRest, within time: Duration) async -> Bool {
        guard wanted?.id == id, engines.allSatisfy({ $0.key == id || $0.value.isEnding }) else { return false }
        goToRest(reason)
        let isOver = await tools.gateway.settle(slot, generation: Int(id.number), within: time)
        guard isOver, wanted?.id == id, rest != nil else {
            if rest != nil {
                rest = nil
                await tools.gateway.unpark(slot)
                changed()
            }
            return false
        }
        routed = nil
        await end(id)
        return true
    }

    /// Ends the engine that serves once the slot had no request for `time`, until the next comes.
    func watchIdleness(_ id: GenerationID, _ time: Duration) async {
        guard idleWatch != id else { return }
        idleWatch = id
        defer { if idleWatch == id { idleWatch = nil } }
        do {
            while routed == id, rest == nil {
                let idle = tools.gateway.idleTime(slot) ?? .zero
                if idle >= time, wanted?.id == id, tryEnter() {
                    let isGone = routed == id ? await retreat(id, .idle(time), within: .zero) : true
                    leave()
                    if isGone { return }
                }
                try await Task.sleep(for: idle < time ? time - idle : time)
            }
        } catch {
            return
        }
    }

    // MARK: And back

    /// Starts the engine of a slot that rests, for as long as requests wait for it.
    func wake() async {
        guard !isWaking else { return }
        isWaking = true
        defer { isWaking = false }
        while let record = wanted, rest != nil, tools.gateway.isWaitedFor(slot), !Task.isCancelled {
            if parkedSince == nil { parkedSince = .now }
            if await isTooHot() {
                do { try await Task.sleep(for: tools.settings.heatInterval) } catch { return }
                continue
            }
            let claim = tools.claim(record, .demand)
            do {
                try await tools.room.take(claim, for: self, within: tools.settings.wakeDeadline) { refusal in
                    self.tell(refusal)
                }
            } catch let refusal as RoomRefusal {
                tell(refusal)
                guard refusal.isFinal else { continue }
                if rest != nil { rest = .noRoom(refusal.reason, isFinal: true) }
                changed()
                return spawn { await self.hopeAgain() }
            } catch {
                return
            }
            await startAgain(record, claim)
        }
    }

    /// Whether the board is too hot for one more engine, of which waiting clients are told. A device on which none runs
    /// starts one however hot it is.
    private func isTooHot() async -> Bool {
        guard let reason = tools.startRefusal(), await tools.room.isInUse else { return false }
        tools.gateway.note(
            WaitNotice(
                "Slot \(slot) cannot be started now. \(reason)",
                retryAfterSeconds: Int(AgentLimits.conditionInterval.components.seconds)), of: slot)
        return true
    }

    /// Requests are refused at once for a while; then the next one has the room looked at anew.
    private func hopeAgain() async {
        do { try await Task.sleep(for: AgentLimits.hopelessInterval) } catch { return }
        tools.gateway.note(nil, of: slot)
    }

    /// The room is there: starts the engine, unless something else came in between.
    private func startAgain(_ record: GenerationRecord, _ claim: RoomClaim) async {
        await enter()
        defer { leave() }
        guard wanted?.id == record.id, rest != nil else {
            if engines[record.id] == nil { await tools.room.leave(claim.key) }
            return
        }
        tools.gateway.note(WaitNotice("Slot \(slot) is being started.", retryAfterSeconds: startSeconds), of: slot)
        do {
            try await bring(record, .demand)
        } catch {
            // As when an engine ends by itself: it is tried again, and told of where that is hopeless.
            guard wanted?.id == record.id else { return }
            rest = nil
            restarts.ended(at: .now)
            let failure = SlotFailure.from(error)
            spawn { await self.mend(record.id, after: failure) }
        }
    }

    /// Tells waiting clients why they wait.
    private nonisolated func tell(_ refusal: RoomRefusal) {
        let seconds = refusal.retryAfter.map { max(1, Int($0.inMilliseconds / 1000) + 1) }
        tools.gateway.note(
            WaitNotice(
                "Slot \(slot) cannot be started now: \(refusal.reason).", retryAfterSeconds: seconds ?? 5,
                isHopeless: refusal.isFinal), of: slot)
    }

    /// How long a start took last, in whole seconds: what clients are told.
    private var startSeconds: Int { lastStart.map { max(1, Int($0.inMilliseconds / 1000) + 1) } ?? 5 }
}

extension EngineTools {
    /// The wish for room of one engine.
    func claim(_ record: GenerationRecord, _ urgency: EngineUrgency) -> RoomClaim {
        RoomClaim(
            key: key(of: record), need: need(record), standing: SlotStanding(record.settings.residency),
            urgency: urgency)
    }

    func key(of record: GenerationRecord) -> RoomClaim.Key {
        RoomClaim.Key(slot: record.slot, generation: record.id.number)
    }

    /// Time without a request after which the engine of a generation is ended; nil keeps it.
    func idleTime(_ record: GenerationRecord) -> Duration? {
        let residency = record.settings.residency
        guard residency?.start != .always else { return nil }
        guard let seconds = residency?.idleSeconds else { return settings.idleTime }
        return seconds > 0 ? .seconds(seconds) : nil
    }
}
