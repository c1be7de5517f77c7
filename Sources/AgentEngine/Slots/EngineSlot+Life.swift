internal import AgentStore
internal import MartletTypes
internal import ModelRuntime

extension EngineSlot {
    func socket(_ record: GenerationRecord) -> String { tools.folder(of: record) + "/engine.sock" }

    /// Starts an engine and waits until it answers. Whatever goes wrong, no engine is left behind.
    func launch(_ record: GenerationRecord, _ urgency: EngineUrgency) async throws {
        var spec = try spec(record)
        // Unpacked where it is not yet, which takes time that the room in memory shall not be held for.
        if let build = record.build { spec.program = try await tools.program(of: build) }
        let key = tools.key(of: record)
        try await takeRoom(record, urgency)
        let start = ContinuousClock.now
        let process: any RuntimeProcess
        do {
            process = try await tools.launcher.launch(spec)
        } catch {
            await tools.room.leave(key)
            throw error
        }
        let traits = tools.traits(record.engine.name)
        let client = EngineClient(socketPath: spec.socketPath, readyPath: traits.readyPath)
        engines[record.id] = Engine(record: record, process: process, client: client)
        do {
            let timeout = traits.startTimeout ?? tools.settings.startTimeout
            try await client.waitUntilReady(timeout: timeout, process: process)
        } catch {
            await end(record.id)
            throw error
        }
        guard engines[record.id] != nil else {
            throw SlotFailure(.final, code: "engineExited", message: "The engine ended as soon as it was ready.")
        }
        lastStart = ContinuousClock.now - start
        await tools.room.ready(key)
        spawn { await self.watch(record.id, process) }
        spawn { await self.watchHealth(record.id, process) }
    }

    /// Room in memory before anything is started. What serves is brought at once or not at all; what may wait, waits.
    private func takeRoom(_ record: GenerationRecord, _ urgency: EngineUrgency) async throws {
        let time: Duration =
            switch urgency {
            case .standby: .zero
            case .demand: tools.settings.wakeDeadline
            case .candidate: tools.settings.candidateDeadline
            }
        do {
            try await tools.room.take(tools.claim(record, urgency), for: self, within: time)
        } catch let refusal as RoomRefusal where urgency == .candidate {
            throw SlotFailure(
                .retry, code: "noRoom", message: "The candidate cannot be started now: \(refusal.reason).")
        }
    }

    private func spec(_ record: GenerationRecord) throws -> EngineSpec {
        let store = tools.store
        let run = store.layout.run
        for folder in ["\(run)/engines", "\(run)/engines/\(record.slot)", store.layout.logs] {
            try store.files.makeFolder(folder, mode: 0o755)
        }
        func paths(_ roles: Set<GenerationFile.Role>) -> [GenerationFile] {
            record.files.filter { roles.contains($0.role) }
        }
        return EngineSpec(
            slot: record.slot, generation: Int(record.id.number), engine: record.engine.name,
            modelPaths: paths([.weights, .part]).map { store.generations.path(of: $0, in: record) },
            adapters: paths([.adapter]).map {
                EngineAdapter(
                    path: store.generations.path(of: $0, in: record), scale: Double($0.scalePermille ?? 1000) / 1000)
            },
            settings: tools.complete(record), loading: tools.loading,
            chatTemplatePath: record.chatTemplate.map { store.blobs.path(of: $0) },
            socketPath: socket(record), logPath: "\(store.layout.logs)/\(record.slot).log",
            limits: EngineLimits(record.settings.residency))
    }

    /// Ends an engine, and removes what it left in its folder. Where somebody is at it, waits until that is done: the
    /// generation's next engine has the same folder.
    func end(_ id: GenerationID) async {
        guard endings[id] == nil else { return await withCheckedContinuation { endings[id]?.append($0) } }
        guard var engine = engines[id] else { return }
        endings[id] = []
        defer { for waiter in endings.removeValue(forKey: id) ?? [] { waiter.resume() } }
        engine.isEnding = true
        engines[id] = engine
        let exit = await engine.process.terminate(grace: AgentLimits.engineGrace)
        engines[id] = nil
        await tools.room.leave(tools.key(of: engine.record))
        // Left to systemd for the agent's next run, which needs its socket.
        guard exit.reason != .unobserved else { return }
        let folder = tools.folder(of: engine.record)
        do {
            try tools.store.files.removeTree(folder)
        } catch {
            // An empty folder costs nothing; the next engine of this generation uses it.
            return
        }
    }

    /// Waits for an engine's end; where nobody wanted it, the slot's driver is told or the engine is started again.
    private func watch(_ id: GenerationID, _ process: any RuntimeProcess) async {
        let exit = await process.waitForExit()
        guard exit.reason != .unobserved, let engine = engines[id], engine.process.pid == process.pid, !engine.isEnding
        else { return }
        engines[id] = nil
        await tools.room.leave(tools.key(of: engine.record))
        tools.gateway.countCrash(slot: slot, generation: Int(id.number), release: engine.record.label)
        let code = exit.cause == nil ? "engineExited" : "engineOutOfMemory"
        let failure = SlotFailure(.final, code: code, message: "The engine \(exit). \(Self.lastWords(exit))")
        guard wanted?.id == id else {
            if routed == id {
                routed = nil
                await hold()
            }
            news(.lost(id, failure))
            return
        }
        if routed == id {
            routed = nil
            await hold()
        }
        restarts.ended(at: .now)
        await mend(id, after: failure)
    }

    /// Starts what shall serve again and again, with growing pauses, until it does or something else shall.
    func mend(_ id: GenerationID, after failure: SlotFailure? = nil) async {
        guard mending.insert(id).inserted else { return }
        defer { mending.remove(id) }
        var last = failure
        while let record = wanted, record.id == id, engines[id] == nil, rest == nil, !Task.isCancelled {
            if let last, let ends = restarts.takeLoop(at: .now) {
                let message = "\(ends) ends in a row before \(AgentLimits.longestRestart) of service: \(last.message)"
                news(.lost(id, SlotFailure(.final, code: SlotFailure.crashLoop, message: message)))
            }
            do {
                try await tools.pause(restarts.nextPause())
                await enter()
                defer { leave() }
                guard wanted?.id == id, engines[id] == nil, rest == nil else { return }
                let parked = parkedSince
                try await bring(record, urgency(record))
                let unavailable = parked.map { ContinuousClock.now - $0 } ?? .zero
                news(.restarted(id, reason: last?.message ?? "It was not running.", unavailable: unavailable))
                // Unless it has ended already, whose watch leaves the next start to this task.
            } catch is CancellationError {
                return
            } catch let refusal as RoomRefusal {
                guard SlotStanding(record.settings.residency).isPinned else {
                    return goToRest(.noRoom(refusal.reason, isFinal: refusal.isFinal))
                }
                last = SlotFailure(.retry, code: "noRoom", message: "It has no room: \(refusal.reason).")
            } catch {
                // A program that is not there says nothing about the generation.
                if (error as? RuntimeError)?.kind != .engineMissing { restarts.ended(at: .now) }
                last = SlotFailure.from(error)
            }
        }
    }

    private static func lastWords(_ exit: EngineExit) -> String {
        let lines = exit.logTail.split(separator: "\n").suffix(2).joined(separator: " | ")
        return lines.isEmpty ? "" : "Its last words: \(lines)"
    }
}
