internal import MartletTypes

/// The command line of `llama-server`, made from typed values alone.
///
/// Flags as of llama.cpp 0.7; those that other versions do not have are given where the program knows them.
enum LlamaArguments {
    /// The arguments, the program first. Throws `invalidSetting` and `socketPathTooLong`.
    static func make(_ spec: EngineSpec, binary: EngineBinary) throws(RuntimeError) -> [String] {
        try check(spec)
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
        return arguments
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

    private static func check(_ spec: EngineSpec) throws(RuntimeError) {
        guard spec.socketPath.utf8.count <= RuntimeLimits.socketPathBytes else {
            throw .socketPathTooLong(spec.socketPath)
        }
        guard spec.socketPath.hasPrefix("/"), spec.socketPath.hasSuffix(".sock") else {
            throw invalid("The socket path \(spec.socketPath)", "an absolute path that ends in .sock")
        }
        guard (1...RuntimeLimits.modelParts).contains(spec.modelPaths.count) else {
            throw invalid("The number of model files \(spec.modelPaths.count)", "1 to \(RuntimeLimits.modelParts)")
        }
        guard spec.adapters.count <= RuntimeLimits.adapters else {
            throw invalid("The number of adapters \(spec.adapters.count)", "at most \(RuntimeLimits.adapters)")
        }
        for path in spec.modelPaths + [spec.chatTemplatePath].compactMap(\.self) where !path.hasPrefix("/") {
            throw invalid("The path \(path)", "an absolute path")
        }
        for adapter in spec.adapters {
            // The engine's list of adapters is divided at commas, and the scale at a colon.
            guard adapter.path.hasPrefix("/"), !adapter.path.contains(","), !adapter.path.contains(":") else {
                throw invalid("The adapter's path \(adapter.path)", "an absolute path without comma and colon")
            }
            try check(adapter.scale, in: RuntimeLimits.adapterScale, "adapter scale")
        }
        try check(spec.settings.contextTokens, in: RuntimeLimits.contextTokens, "context size")
        try check(spec.settings.parallelRequests, in: RuntimeLimits.parallelRequests, "number of parallel requests")
        try check(spec.settings.threads, in: RuntimeLimits.threads, "number of threads")
    }

    private static func check<Value: Comparable>(
        _ value: Value?, in range: ClosedRange<Value>, _ name: String
    ) throws(RuntimeError) {
        guard let value, !range.contains(value) else { return }
        throw invalid("The \(name) \(value)", "\(range.lowerBound) to \(range.upperBound)")
    }

    private static func invalid(_ what: String, _ rule: String) -> RuntimeError {
        RuntimeError(.invalidSetting, "\(what) cannot be given to an engine.", remedy: "Use \(rule).", fault: .caller)
    }
}
