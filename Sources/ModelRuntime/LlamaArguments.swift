internal import MartletTypes

/// The command line of `llama-server`, made from typed values alone.
///
/// Flags as of llama.cpp 0.7; those that other versions do not have are given where the program knows them.
enum LlamaArguments {
    /// The arguments, the program first. Throws `invalidSetting` and `socketPathTooLong`.
    static func make(_ spec: EngineSpec, binary: EngineBinary) throws(RuntimeError) -> [String] {
        try spec.check()
        var arguments = [binary.path, "--host", spec.socketPath, "--model", spec.modelPaths[0], "--alias", spec.alias]
        if !spec.adapters.isEmpty { arguments += adapters(spec.adapters) }
        let parallel = spec.settings.parallelRequests ?? 1
        arguments += ["--parallel", String(parallel)]
        // The engine divides its context among the parallel requests; ours is stated for each.
        if let context = spec.settings.contextTokens { arguments += ["--ctx-size", String(context * parallel)] }
        if let threads = spec.settings.threads { arguments += ["--threads", String(threads)] }
        if let template = spec.chatTemplatePath { arguments += ["--chat-template-file", template] }
        arguments += embeddings(spec.settings) + loading(spec.loading, binary.flags)
        arguments += ["--no-ui", "--offline", "--metrics"]
        // Its prompt cache takes up to 8 GiB by default, which no plan of memory has counted.
        if binary.flags.contains(.cacheRAM) { arguments += [EngineFlag.cacheRAM.rawValue, "0"] }
        return arguments
    }

    /// Chat goes on beside it, whatever the engine's help says of the flag.
    private static func embeddings(_ settings: SlotSettings) -> [String] {
        guard let pooling = settings.pooling else { return [] }
        let arguments = ["--embeddings", "--pooling", pooling.rawValue]
        guard let tokens = settings.batchTokens.map(String.init) else { return arguments }
        return arguments + ["--batch-size", tokens, "--ubatch-size", tokens]
    }

    /// What the memory estimate counted on. Older engines map by default and have a flag for the opposite alone.
    private static func loading(_ loading: WeightLoading, _ known: Set<EngineFlag>) -> [String] {
        var arguments: [String] = []
        if let isMapped = loading.isMapped {
            if known.contains(.loadMode) {
                arguments += [EngineFlag.loadMode.rawValue, isMapped ? "mmap" : "none"]
            } else if !isMapped, known.contains(.noMmap) {
                arguments.append(EngineFlag.noMmap.rawValue)
            }
        }
        if !loading.mayRepack, known.contains(.noRepack) { arguments.append(EngineFlag.noRepack.rawValue) }
        if let type = loading.cacheType, known.isSuperset(of: [.cacheTypeK, .cacheTypeV]) {
            arguments += [EngineFlag.cacheTypeK.rawValue, type, EngineFlag.cacheTypeV.rawValue, type]
        }
        return arguments + attention(loading, known)
    }

    /// Older engines do without unless told, and cannot start then with values that are kept small.
    private static func attention(_ loading: WeightLoading, _ known: Set<EngineFlag>) -> [String] {
        let name = EngineFlag.flashAttention.rawValue
        if let flash = loading.flashAttention, known.contains(.flashAttention) { return [name, flash ? "on" : "off"] }
        let isNeeded = (loading.cacheType ?? "f16") != "f16" && known.contains(.cacheTypeV)
        return known.contains(.flashAttentionSwitch) && (loading.flashAttention ?? isNeeded) ? [name] : []
    }

    /// The whole environment of an engine: nothing of the agent's own is passed on.
    static func environment(home: String) -> [String] {
        // Without the last, an engine that aborts starts a debugger, whose chatter would bury its last words.
        ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=\(home)", "GGML_NO_BACKTRACE=1"]
    }

    private static func adapters(_ adapters: [EngineAdapter]) -> [String] {
        guard adapters.contains(where: { $0.scale != 1 }) else {
            return ["--lora", adapters.map(\.path).joined(separator: ",")]
        }
        return ["--lora-scaled", adapters.map { "\($0.path):\($0.scale)" }.joined(separator: ",")]
    }
}
