package import MartletTypes

/// A LoRA adapter as an engine is given it.
package struct EngineAdapter: Sendable, Hashable {
    /// The adapter's file.
    package let path: String
    /// How strongly it is applied; 1 is as trained.
    package let scale: Double

    package init(path: String, scale: Double = 1) {
        self.path = path
        self.scale = scale
    }
}

/// How an engine brings weights into memory, as the device's profile says.
package struct WeightLoading: Sendable, Hashable {
    /// Mapped from the file, or read into memory of the engine's own; nil is the engine's choice.
    package var isMapped: Bool?
    /// Whether the engine may rearrange weights for the processor, which takes a second copy of those that are mapped.
    package var mayRepack: Bool
    /// What keys and values of the context are kept as, e.g. `q8_0`; nil is the engine's choice.
    package var cacheType: String?
    /// Whether attention is computed piece by piece, without a matrix of all scores; nil is the engine's choice.
    package var flashAttention: Bool?

    package init(
        isMapped: Bool? = nil, mayRepack: Bool = true, cacheType: String? = nil, flashAttention: Bool? = nil
    ) {
        self.cacheType = cacheType
        self.flashAttention = flashAttention
        self.isMapped = isMapped
        self.mayRepack = mayRepack
    }
}

/// All that is needed to start one engine for one generation of a slot: data only, never a command or a flag.
package struct EngineSpec: Sendable, Hashable {
    /// The slot it serves.
    package var slot: SlotName
    /// The generation of the slot.
    package var generation: Int
    /// The engine's name, e.g. `llama.cpp`; which program that is, the device's own configuration says.
    package var engine: String
    /// The program of the generation's own engine build; nil takes the device's.
    package var program: String?
    /// The weights; the parts of a split model in order.
    package var modelPaths: [String]
    /// Adapters, in the order of their application.
    package var adapters: [EngineAdapter]
    /// Typed settings from the assignment, already within the device's bounds.
    package var settings: SlotSettings
    /// How the weights come into memory.
    package var loading: WeightLoading
    /// A chat template that replaces the model's own.
    package var chatTemplatePath: String?
    /// The UNIX socket to listen on; must end in `.sock` for llama.cpp.
    package var socketPath: String
    /// Where the engine's output goes, bounded and rotated.
    package var logPath: String
    /// The name that the engine reports as `model`: the slot's.
    package var alias: String
    /// What it may take of the machine.
    package var limits: EngineLimits

    package init(
        slot: SlotName, generation: Int, engine: String = "llama.cpp", modelPaths: [String],
        adapters: [EngineAdapter] = [], settings: SlotSettings = SlotSettings(),
        loading: WeightLoading = WeightLoading(), chatTemplatePath: String? = nil, socketPath: String, logPath: String,
        alias: String? = nil, limits: EngineLimits = EngineLimits()
    ) {
        self.slot = slot
        self.generation = generation
        self.engine = engine
        self.modelPaths = modelPaths
        self.adapters = adapters
        self.settings = settings
        self.loading = loading
        self.chatTemplatePath = chatTemplatePath
        self.socketPath = socketPath
        self.logPath = logPath
        self.alias = alias ?? slot.text
        self.limits = limits
    }
}
