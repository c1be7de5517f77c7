internal import AgentStore
internal import MartletTypes
internal import ModelRuntime

extension EngineSlot {
    /// Ends an engine that runs and answers nobody any more, so that it is treated as one that ended by itself.
    ///
    /// Only one that has requests open is asked, so that idle engines are left alone; a busy one may be slow to answer,
    /// so several silences in a row are needed. One that says it is well, and brings no byte of any answer for as long
    /// as the gateway waits for one, hangs all the same.
    func watchHealth(_ id: GenerationID, _ process: any RuntimeProcess) async {
        var silences = 0
        // What is known of the one before it says nothing about this.
        _ = await tools.gateway.takeHung(slot, generation: Int(id.number))
        while true {
            do { try await Task.sleep(for: tools.settings.healthInterval) } catch { return }
            guard let engine = engines[id], engine.process.pid == process.pid, !engine.isEnding else { return }
            if await !tools.gateway.takeHung(slot, generation: Int(id.number)) {
                guard await tools.gateway.inFlight(slot, generation: Int(id.number)) > 0 else {
                    silences = 0
                    continue
                }
                silences = await engine.client.health() == .ready ? 0 : silences + 1
                guard silences >= AgentLimits.healthSilences else { continue }
            }
            // Not by `end`: nobody wanted its end.
            _ = await process.terminate(grace: .zero)
            return
        }
    }
}
