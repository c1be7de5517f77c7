package import AgentStore
package import DeviceProfiles
package import MartletTypes
package import ModelRuntime

/// What this box is, and what of it an engine may take.
package struct DeviceHardware: Sendable {
    package let probe: HardwareProbe
    /// As read at start.
    package let facts: HardwareFacts
    package let profile: DeviceProfile
    /// Installed engines and their versions as they state them; `anew` asks the programs even where they look the same.
    package let engines: @Sendable (_ anew: Bool) async -> [String: String]
    /// What must be known of an engine by its name.
    package var traits: @Sendable (String) -> EngineTraits = { _ in .llama }
    /// What the owner allows all engines together, where that is less than the profile does.
    package var memoryLimit: ByteCount?

    package init(
        probe: HardwareProbe, facts: HardwareFacts, profile: DeviceProfile,
        engines: @escaping @Sendable (_ anew: Bool) async -> [String: String]
    ) {
        self.probe = probe
        self.facts = facts
        self.profile = profile
        self.engines = engines
    }

    /// Reads the box. `profile` names one instead of the one that matches. Throws `DeviceProfileError`.
    package static func read(
        probe: HardwareProbe, profile: String? = nil,
        engines: @escaping @Sendable (_ anew: Bool) async -> [String: String]
    ) throws -> DeviceHardware {
        let facts = probe.facts()
        let catalog = try ProfileCatalog.embedded()
        let chosen = try profile.map { name in try catalog.profile(name) } ?? catalog.match(facts)
        return DeviceHardware(probe: probe, facts: facts, profile: chosen, engines: engines)
    }

    /// What a generation is expected to take of memory.
    package func memory(of record: GenerationRecord) -> ByteCount {
        // The agent's own program takes none beside what it takes already.
        guard record.slot != SlotName.agent else { return .zero }
        let load = profile.load(settings: record.settings, shape: record.shape)
        let adapters = record.files.filter { $0.role == .adapter }.reduce(ByteCount.zero) { $0 + $1.size }
        let own = traits(record.engine.name).memory ?? .zero
        return MemoryEstimate(shape: record.shape, load: load, rule: profile.engine).total + adapters + own
    }

    /// Whether memory that is free now does not hold this generation beside what runs.
    package func lacksRoom(for record: GenerationRecord) -> Bool {
        memory(of: record) > profile.memoryRoom(probe.memory())
    }

    /// Whether memory and heat allow a candidate to be asked beside what serves: memory is above the reserve, and no
    /// zone above the profile's limit for background work.
    package var allowsShadow: Bool {
        guard profile.memoryRoom(probe.memory()) > .zero else { return false }
        return !isHot
    }

    /// Whether the board is too warm for work that nobody waits for.
    var isHot: Bool {
        let zones = probe.thermalZones()
        guard profile.thermal == nil else { return profile.thermalState(zones) != .cool }
        return zones.contains { $0.milliCelsius > AgentLimits.shadowCelsius * 1000 }
    }

    /// What the store leaves free on the disk of the data folder, where the owner does not say.
    package var diskReserve: ByteCount { profile.diskReserve(of: facts.storage.first?.total) }

    /// Why no engine is started now that does not have to be; nil where the board is cool enough. A sentence, the same
    /// for as long as it is too hot.
    package var startRefusal: String? {
        guard let thermal = profile.thermal, profile.thermalState(probe.thermalZones()) == .tooHotToStart else {
            return nil
        }
        let limit = thermal.refuseStartCelsius
        return "The board is warmer than \(limit) °C, above which nothing is started but what serves."
    }

    /// How engines shall load weights here: what the memory estimate counts on.
    package var loading: WeightLoading {
        WeightLoading(
            isMapped: profile.engine.loadMode == .mmap, mayRepack: profile.engine.repack,
            cacheType: profile.engine.cacheType?.rawValue, flashAttention: profile.engine.flashAttention)
    }

    /// The settings that the engine gets: what the assignment leaves open is the profile's.
    package func completed(_ settings: SlotSettings, shape: ModelShape) -> SlotSettings {
        var settings = settings
        let load = profile.load(settings: settings, shape: shape)
        settings.contextTokens = load.contextTokens
        settings.parallelRequests = load.parallelRequests
        settings.pooling = settings.pooling ?? shape.pooling
        settings.threads = settings.threads ?? profile.engineThreads(cores: facts.cpu.usableCores)
        return settings
    }
}
