internal import Glibc

/// Where this device's `llama-server` is: what its owner named, then `$MARTLET_LLAMA_SERVER`, then `PATH`, then the
/// cache that `make` fills.
package struct EngineLookup: Sendable, Hashable {
    /// The owner's word, from a flag or the configuration file; nil looks further.
    package let named: String?
    private let environment: [String: String]

    package init(named: String? = nil, environment: [String: String]) {
        self.named = named
        self.environment = environment
    }

    /// Looks now. Throws `engineMissing` that names the places: a named program that is not there is an error, nothing
    /// else is taken.
    package func path() throws(RuntimeError) -> String {
        let variable = environment["MARTLET_LLAMA_SERVER"].flatMap { $0.isEmpty ? nil : $0 }
        if let named = named ?? variable {
            guard access(named, X_OK) == 0 else { throw .engineMissing(named) }
            return named
        }
        var places = (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/llama-server" }
        if let cacheFolder { places.append("\(cacheFolder)/llama.cpp/bin/llama-server") }
        for place in places where access(place, X_OK) == 0 { return place }
        throw .engineMissing("llama-server in PATH" + (places.last.map { " or \($0)" } ?? ""))
    }

    private var cacheFolder: String? {
        if let folder = environment["MARTLET_CACHE"], !folder.isEmpty { return folder }
        if let folder = environment["XDG_CACHE_HOME"], !folder.isEmpty { return "\(folder)/martlet" }
        return environment["HOME"].map { "\($0)/.cache/martlet" }
    }
}

extension RuntimeError {
    static func engineMissing(_ place: String, engine: String = "llama.cpp") -> RuntimeError {
        let remedy =
            engine == InstalledEngines.llama
            ? "Install llama-server and name it in the agent's configuration (engine.llamaServer) or in "
                + "$MARTLET_LLAMA_SERVER; it is looked for again by itself."
            : "Install it where the agent's configuration (engines.\(engine).command) says; it is looked for again by "
                + "itself."
        return RuntimeError(
            .engineMissing, "The engine \(engine) was not found: \(place) is no executable file.", remedy: remedy)
    }
}
