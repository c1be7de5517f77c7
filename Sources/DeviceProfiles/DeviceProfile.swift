package import MartletTypes

/// A named class of hardware: how to recognise it, what may be used of it, and what serves best on it.
///
/// Written as YAML in `device-profiles/`, whose `schema.json` describes each field; carried in the program as JSON.
package struct DeviceProfile: Sendable, Hashable, Codable {
    /// The name, equal to the file's: a DNS label.
    package var id: String
    /// The name for people.
    package var title: String
    /// How the hardware is recognised.
    package var match: ProfileMatch
    /// Among several profiles that match, the one with the highest number is taken.
    package var priority: Int
    /// What models may use of memory.
    package var memory: MemoryRule
    /// How many threads an engine gets.
    package var threads: ThreadRule
    /// What stays free on the disk.
    package var storage: StorageRule
    /// Quantizations from the best to the least, each with its reason.
    package var preferredQuantizations: [Preference]
    /// How engines are started.
    package var engine: EngineRule
    /// When heat limits work; nil where the hardware looks after itself.
    package var thermal: ThermalRule?
}

extension DeviceProfile {
    /// What models may use of memory.
    package struct MemoryRule: Sendable, Hashable, Codable {
        /// All slots together take at most this part of usable memory.
        package var sharePercent: Int
        /// And leave at least this much to everything else.
        package var reserveMiB: Int
    }

    /// How many threads an engine gets.
    package struct ThreadRule: Sendable, Hashable, Codable {
        /// Part of the processors.
        package var sharePercent: Int
        /// At most this many; nil is no bound.
        package var max: Int?
    }

    /// What stays free on the disk.
    package struct StorageRule: Sendable, Hashable, Codable {
        /// The store never takes the file system below this, or a quarter of its size where that is less, unless the
        /// owner says otherwise.
        package var reserveMiB: Int
    }

    /// A quantization and why it stands where it stands.
    package struct Preference: Sendable, Hashable, Codable {
        /// E.g. `Q4_0`.
        package var name: String
        /// The reason, for people.
        package var reason: String
    }

    /// How weights come into memory.
    package enum LoadMode: String, Sendable, Codable, CaseIterable {
        /// Mapped from the file: shared by engines, dropped under pressure.
        case mmap
        /// Read into memory of the engine's own.
        case none
    }

    /// What an engine keeps the context's keys and values as.
    package enum CacheType: String, Sendable, Codable, CaseIterable {
        case f16
        case q8_0
        case q4_0

        /// Bytes of 32 numbers (ggml's blocks).
        var blockBytes: Int64 {
            switch self {
            case .f16: 64
            case .q8_0: 34
            case .q4_0: 18
            }
        }
    }

    /// How engines are started. Typed values, never a command line.
    package struct EngineRule: Sendable, Hashable, Codable {
        /// Tokens of context for each request, where neither slot nor model asks for less.
        package var contextTokens: Int
        /// Requests served at once, where the slot does not say.
        package var parallelRequests: Int
        /// How weights come into memory.
        package var loadMode: LoadMode
        /// Whether the engine may rearrange weights for this processor: faster, and a second copy if they are mapped.
        package var repack: Bool
        /// Tensor types that the engine rearranges on this processor.
        package var repackedTypes: [String]
        /// What keys and values of the context are kept as; nil is the engine's `f16`.
        package var cacheType: CacheType?
        /// Whether attention is computed piece by piece, without a matrix of all scores; nil leaves it to the engine.
        package var flashAttention: Bool?

        package init(
            contextTokens: Int, parallelRequests: Int, loadMode: LoadMode, repack: Bool, repackedTypes: [String],
            cacheType: CacheType? = nil, flashAttention: Bool? = nil
        ) {
            self.cacheType = cacheType
            self.flashAttention = flashAttention
            self.contextTokens = contextTokens
            self.parallelRequests = parallelRequests
            self.loadMode = loadMode
            self.repack = repack
            self.repackedTypes = repackedTypes
        }
    }

    /// When heat limits work.
    package struct ThermalRule: Sendable, Hashable, Codable {
        /// Zones that count, by name; empty takes all.
        package var zones: [String]
        /// Above this, fetching, evaluating and scrubbing pause.
        package var pauseBackgroundCelsius: Int
        /// Above this, no engine is started but what serves: no candidate, and no further slot's.
        package var refuseStartCelsius: Int

        /// Those of a board's zones that count.
        package func counted(_ all: [HardwareFacts.ThermalZone]) -> [HardwareFacts.ThermalZone] {
            all.filter { zones.isEmpty || zones.contains($0.name) }
        }
    }
}

extension DeviceProfile {
    /// What all slots together may take of `usable` memory.
    package func memoryBudget(of usable: ByteCount) -> ByteCount {
        let share = ByteCount(max(0, usable.bytes) / 100 * Int64(memory.sharePercent))
        return min(share, usable.less(.mebibytes(Int64(memory.reserveMiB))))
    }

    /// Threads for an engine on a machine with `cores` processors: at least one.
    package func engineThreads(cores: Int) -> Int {
        let share = max(1, cores * threads.sharePercent / 100)
        return min(share, max(1, threads.max ?? share))
    }

    /// The place of a quantization among the preferred ones; nil where it is not listed.
    package func rank(of quantization: String) -> Int? {
        preferredQuantizations.firstIndex { $0.name == quantization }
    }

    /// Context and parallel requests for a slot: what it asks for, else the profile's, never above what the model
    /// knows.
    package func load(settings: SlotSettings, shape: ModelShape?) -> SlotLoad {
        let trained = shape?.contextLength ?? engine.contextTokens
        var asked = settings
        asked.contextTokens = settings.contextTokens ?? min(engine.contextTokens, trained)
        asked.pooling = settings.pooling ?? shape?.pooling
        return SlotLoad(
            contextTokens: asked.contextTokens ?? trained,
            parallelRequests: settings.parallelRequests ?? engine.parallelRequests, batchTokens: asked.batchTokens)
    }

    /// Whether background work must pause and whether no further engine may be started, at these temperatures.
    package func thermalState(_ zones: [HardwareFacts.ThermalZone]) -> ThermalState {
        guard let thermal else { return .cool }
        let hottest = thermal.counted(zones).map(\.milliCelsius).max() ?? .min
        if hottest > thermal.refuseStartCelsius * 1000 { return .tooHotToStart }
        return hottest > thermal.pauseBackgroundCelsius * 1000 ? .pauseBackground : .cool
    }
}

/// What heat allows now.
package enum ThermalState: String, Sendable, Codable {
    case cool, pauseBackground, tooHotToStart
}

/// What a slot asks of an engine.
package struct SlotLoad: Sendable, Hashable, Codable {
    /// Tokens of context for each request.
    package var contextTokens: Int
    /// Requests served at once.
    package var parallelRequests: Int
    /// Tokens of one batch; nil is the engine's own number.
    package var batchTokens: Int?

    package init(contextTokens: Int, parallelRequests: Int = 1, batchTokens: Int? = nil) {
        self.contextTokens = contextTokens
        self.parallelRequests = parallelRequests
        self.batchTokens = batchTokens
    }
}
