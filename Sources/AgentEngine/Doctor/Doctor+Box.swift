internal import DeviceProfiles
internal import MartletTypes

extension Doctor {
    /// The machine: memory, swap, heat, and what systemd lets the agent divide.
    func box(_ patient: Patient) -> Outcome {
        let facts = probe.facts()
        let name = patient.configuration?.profile
        return .found(memory(facts) + heat(facts, profile(name, facts)) + [delegation(patient)].compactMap(\.self))
    }

    private func memory(_ facts: HardwareFacts) -> [Diagnosis.Finding] {
        var findings: [Diagnosis.Finding] = []
        // `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`: percent of time that something waited for memory.
        let pressure = text("/proc/pressure/memory")?.split(separator: "\n").first { $0.hasPrefix("some") }
        let share = pressure?.split(separator: " ").first { $0.hasPrefix("avg60=") }.flatMap { Double($0.dropFirst(6)) }
        if let share, share >= AgentLimits.pressurePercent {
            findings.append(
                Ailment.memoryPressure.found(
                    at: "/proc/pressure/memory", "Programs waited for memory \(share) % of the last minute."))
        } else if let total = facts.memory.total, let free = facts.memory.available, free.bytes * 20 < total.bytes {
            findings.append(
                Ailment.memoryPressure.found(at: "/proc/meminfo", "\(free) of \(total) of memory are available."))
        }
        if let total = facts.memory.swapTotal, let free = facts.memory.swapFree, total > .zero,
            free.bytes * 2 < total.bytes
        {
            findings.append(
                Ailment.swapInUse.found(at: "/proc/meminfo", "\(total - free) of \(total) of swap are in use."))
        }
        return findings
    }

    /// As the agent judges it: by the zones that the profile counts.
    private func heat(_ facts: HardwareFacts, _ profile: DeviceProfile?) -> [Diagnosis.Finding] {
        var findings: [Diagnosis.Finding] = []
        let limit = profile?.thermal?.pauseBackgroundCelsius ?? AgentLimits.shadowCelsius
        let counted = profile?.thermal?.counted(facts.thermalZones) ?? facts.thermalZones
        if let hottest = counted.max(by: { $0.milliCelsius < $1.milliCelsius }), hottest.milliCelsius > limit * 1000 {
            findings.append(
                Ailment.tooHot.found(
                    at: hottest.name, "It is \(hottest.milliCelsius / 1000) °C warm; background work ends at \(limit).")
            )
        }
        if facts.throttled == true {
            findings.append(
                Ailment.throttled.found(at: "board", "The board slows itself down for heat or for a weak supply."))
        }
        return findings
    }

    /// What looks at the box, below the scene's root.
    var probe: HardwareProbe {
        HardwareProbe(
            root: scene.root.isEmpty ? "/" : scene.root, storagePaths: [scene.data], kernelClock: scene.kernelClock)
    }

    /// The profile that the agent goes by; nil where none of that name is known.
    func profile(_ name: String?, _ facts: HardwareFacts) -> DeviceProfile? {
        do {
            let catalog = try ProfileCatalog.embedded()
            return try name.map { name in try catalog.profile(name) } ?? catalog.match(facts)
        } catch {
            return nil
        }
    }

    /// Whether the running agent may make groups for its engines.
    private func delegation(_ patient: Patient) -> Diagnosis.Finding? {
        guard let process = patient.agent?.process, let groups = text("/proc/\(process)/cgroup") else { return nil }
        guard let line = groups.split(separator: "\n").first(where: { $0.hasPrefix("0::/") }), line != "0::/" else {
            return Ailment.cgroupNotDelegated.found(
                at: "/proc/\(process)/cgroup", "The agent is in no group of cgroups v2 of its own.")
        }
        let group = "/sys/fs/cgroup" + line.dropFirst(3)
        let controllers = text(group + "/cgroup.controllers")?.split(whereSeparator: \.isWhitespace) ?? []
        guard !["cpu", "memory"].allSatisfy({ name in controllers.contains { $0 == name } }) else { return nil }
        return Ailment.cgroupNotDelegated.found(
            at: group, "The agent's group has not the controllers cpu and memory.")
    }
}

extension AgentLimits {
    /// Percent of a minute in which something waited for memory that is told of.
    static let pressurePercent = 10.0
}
