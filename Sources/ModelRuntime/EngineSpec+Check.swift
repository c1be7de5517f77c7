internal import MartletTypes

extension EngineSpec {
    /// Refuses what no engine may be given. Throws `invalidSetting` and `socketPathTooLong`.
    func check() throws(RuntimeError) {
        guard socketPath.utf8.count <= RuntimeLimits.socketPathBytes else {
            throw .socketPathTooLong(socketPath)
        }
        guard socketPath.hasPrefix("/"), socketPath.hasSuffix(".sock") else {
            throw Self.invalid("The socket path \(socketPath)", "an absolute path that ends in .sock")
        }
        guard (1...RuntimeLimits.modelParts).contains(modelPaths.count) else {
            throw Self.invalid("The number of model files \(modelPaths.count)", "1 to \(RuntimeLimits.modelParts)")
        }
        guard adapters.count <= RuntimeLimits.adapters else {
            throw Self.invalid("The number of adapters \(adapters.count)", "at most \(RuntimeLimits.adapters)")
        }
        for path in modelPaths + [chatTemplatePath].compactMap(\.self) where !path.hasPrefix("/") {
            throw Self.invalid("The path \(path)", "an absolute path")
        }
        for adapter in adapters {
            // The engine's list of adapters is divided at commas, and the scale at a colon.
            guard adapter.path.hasPrefix("/"), !adapter.path.contains(","), !adapter.path.contains(":") else {
                throw Self.invalid("The adapter's path \(adapter.path)", "an absolute path without comma and colon")
            }
            try Self.check(adapter.scale, in: RuntimeLimits.adapterScale, "adapter scale")
        }
        try Self.check(settings.contextTokens, in: RuntimeLimits.contextTokens, "context size")
        try Self.check(settings.parallelRequests, in: RuntimeLimits.parallelRequests, "number of parallel requests")
        try Self.check(settings.threads, in: RuntimeLimits.threads, "number of threads")
    }

    private static func check<Value: Comparable>(
        _ value: Value?, in range: ClosedRange<Value>, _ name: String
    ) throws(RuntimeError) {
        guard let value, !range.contains(value) else { return }
        throw Self.invalid("The \(name) \(value)", "\(range.lowerBound) to \(range.upperBound)")
    }

    private static func invalid(_ what: String, _ rule: String) -> RuntimeError {
        RuntimeError(.invalidSetting, "\(what) cannot be given to an engine.", remedy: "Use \(rule).", fault: .caller)
    }
}
