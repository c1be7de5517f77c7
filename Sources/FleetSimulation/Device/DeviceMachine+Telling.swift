internal import DeviceProfiles
internal import MartletAPI
internal import MartletTypes
internal import Telemetry

extension DeviceMachine {
    /// Puts a report into the outbox under the next sequence number.
    mutating func say(_ report: DeviceReport, _ now: Timestamp) {
        var random = traits.random("late \(outbox.sequence)")
        let late = plan.real(plan.profile.reports.lateSeconds.sample(&random, atLeast: 0))
        outbox.add(report, notBefore: now + late)
    }

    /// What the device is and has.
    func inventory() -> Inventory {
        Inventory(
            agentVersion: MartletVersion.text, engines: ["llama.cpp": "0.7.0"], profile: traits.hardware,
            facts: traits.facts, storeBytes: .zero,
            slots: slots.mapValues { slot in
                SlotInventory(
                    current: slot.current?.releases ?? [], previous: slot.previous?.releases ?? [],
                    generation: slot.current?.assigned ?? 0, serving: slot.current != nil, override: slot.override)
            })
    }

    // MARK: Measurements

    /// Counts the requests of a slot up to a moment, for what serves until then.
    mutating func measure(_ name: SlotName, until end: Timestamp) {
        guard let slot = slots[name], slot.measuredSince < end else { return }
        slots[name]?.measuredSince = end
        guard let generation = slot.current, plan.profile.requests.perMinute > 0 else { return }
        var interval = GatewayInterval(
            slot: name, generation: Int(generation.assigned), release: generation.label,
            start: ownTime(slot.measuredSince), end: ownTime(end))
        var random = traits.random("requests \(name) from \(slot.measuredSince.milliseconds)")
        let minutes = plan.simulated(end - slot.measuredSince) / 60
        let count = random.poisson(plan.profile.requests.perMinute * minutes)
        interval.requests = UInt64(count)
        for _ in 0..<min(count, SimulationLimits.drawnRequests) {
            if random.happens(generation.influence.errorRate) {
                interval.countError("500")
                continue
            }
            let seconds =
                plan.profile.requests.durationSeconds.sample(&random, atLeast: 0.001) * generation.influence.slowness
            interval.duration.record(seconds)
            interval.timeToFirstToken.record(seconds * 0.2)
            interval.timePerOutputToken.record(seconds * 0.8 / 32)
        }
        interval.outputTokens.record(32)
        if !interval.isEmpty { intervals.append(interval) }
    }

    mutating func measureAll(until end: Timestamp) {
        for name in slots.keys.sorted(by: { $0.text < $1.text }) { measure(name, until: end) }
    }

    /// The export that is due, nil where none is.
    mutating func export(_ now: Timestamp) -> OTLP.MetricsRequest? {
        guard nextExport <= now else { return nil }
        nextExport = now + plan.real(plan.profile.requests.everySeconds)
        measureAll(until: now)
        exportSequence += 1
        var random = traits.random("sample \(exportSequence)")
        var sample = SystemSample(time: ownTime(now))
        sample.cpu = random.unit() * 0.5
        sample.memoryUsed = ByteCount(2 << 30)
        sample.memoryTotal = ByteCount(8 << 30)
        sample.temperatureCelsius = 45 + 10 * random.unit()
        return OTLP.MetricsRequest(
            device: traits.device, agentVersion: MartletVersion.text, profile: traits.hardware, intervals: intervals,
            samples: [sample])
    }
}
