internal import Glibc
package import ModelRuntime

extension EngineSettings {
    /// Where `llama-server` is: what flag or file name, then `$MARTLET_LLAMA_SERVER`, then `PATH`, then the cache.
    ///
    /// Throws `engineMissing` that names the places. A named one that is not there is an error: nothing else is taken.
    package func llamaServerPath(environment: [String: String]) throws(RuntimeError) -> String {
        guard let llamaServer else { return try EngineBinary.locate(environment: environment) }
        guard access(llamaServer, X_OK) == 0 else {
            throw RuntimeError(
                .engineMissing, "The engine llama.cpp was not found: \(llamaServer) is no executable file.",
                remedy: "Install llama-server there, or name another in the configuration (engine.llamaServer).")
        }
        return llamaServer
    }

    /// The engine's program with its version. Throws `engineMissing` and `engineNotStarted`.
    package func binary(environment: [String: String]) async throws(RuntimeError) -> EngineBinary {
        try await EngineBinary.probe(path: try llamaServerPath(environment: environment))
    }
}
