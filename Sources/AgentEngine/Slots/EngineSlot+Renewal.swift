package import AgentStore
internal import Logging
package import MartletTypes
internal import ModelRuntime

extension EngineSlot {
    /// Starts the engine of what serves anew: a file that it has open was damaged, and stands there whole again.
    ///
    /// Requests wait meanwhile, as where a candidate takes the place of what serves; none is refused for it. Does
    /// nothing where that generation has no engine: the next one opens the new file.
    package func renew(_ id: GenerationID) async throws {
        await enter()
        defer { leave() }
        guard routed == id, let engine = engines[id], !engine.isEnding else { return }
        await hold()
        let drained = await tools.gateway.drain(
            slot, generation: Int(id.number), deadline: tools.settings.replaceDrainDeadline)
        routed = nil
        await end(id)
        if drained.cutStreams > 0 { news(.drained(cutStreams: drained.cutStreams)) }
        do {
            try await bring(engine.record, .demand)
        } catch {
            spawn { await self.mend(id) }
            throw error
        }
    }
}

extension SlotDriver {
    /// Starts the engine of what serves anew where it has this blob open.
    func renew(_ blob: Digest) {
        guard let current = record.current, current.content.contains(where: { $0.digest == blob }) else { return }
        command { [runtime, logger] in
            do {
                try await runtime.renew(current.id)
            } catch {
                // It is tried again and again by itself.
                logger.warning("engine not renewed", metadata: ["error": "\(ErrorSummary(error).message)"])
            }
        }
    }
}

extension DeviceAgent {
    /// Lets all engines that have a blob open start anew: it was damaged and is whole again.
    package func renew(_ blob: Digest) async {
        for driver in allDrivers { await driver.renew(blob) }
    }
}
