internal import AgentStore
internal import MartletTypes
internal import ModelRuntime
internal import Trust

extension AgentConfiguration {
    /// The name of the configuration that a device keeps from its enrolment.
    private static let adoptedName = "agent.json"

    /// The configuration of a device: options over the named file, over the machine's own file, over the one kept at
    /// enrolment, over defaults.
    ///
    /// One file counts as a whole, but for the policy: where it states none, the one that was set at enrolment holds.
    /// Throws `invalidConfiguration` naming the file and the place in it.
    package static func load(data: String, options: AgentOptions) throws -> AgentConfiguration {
        var configuration = AgentConfiguration()
        if let bytes = try contents(adoptedPath(data)) {
            configuration = try parse(bytes, adoptedPath(data), AgentConfiguration().policy)
        }
        if let path = try source(options) { configuration = try read(file: path, policy: configuration.policy) }
        try configuration.apply(options)
        return configuration
    }

    /// The file that counts in place of the kept one: the named one, which must be there; else the machine's own, where
    /// it is there and says something. Throws `invalidConfiguration` where that cannot be read.
    package static func source(_ options: AgentOptions) throws(AgentError) -> String? {
        if let named = options[.config] { return named.value }
        guard let path = options[.systemConfig]?.value, let bytes = try contents(path), !isEmptyObject(bytes) else {
            return nil
        }
        return path
    }

    private static func isEmptyObject(_ bytes: [UInt8]) -> Bool {
        do { return try JSONValue(parsing: bytes) == .object([:]) } catch { return false }
    }

    /// Reads the file that is named at enrolment.
    package static func read(file path: String) throws -> AgentConfiguration {
        try read(file: path, policy: AgentConfiguration().policy)
    }

    /// Keeps a configuration file, checked before, as the device's own; readable by its user alone, for it may hold
    /// keys.
    package static func adopt(file path: String, data: String) throws {
        guard let bytes = try contents(path) else { throw absent(path) }
        _ = try parse(bytes, path, AgentConfiguration().policy)
        let files = RealFileSystem()
        try files.makeFolder(data, mode: 0o755)
        try files.writeAtomically(bytes, to: adoptedPath(data), mode: 0o600)
    }

    /// Takes over what flags and variables say.
    package mutating func apply(_ options: AgentOptions) throws(AgentError) {
        if let given = options[.gateway] {
            do {
                (gateway.host, gateway.port) = try GatewayAddress.parse(given.value)
            } catch {
                throw AgentError(.invalidConfiguration, "\(given.source): \(error.message)", remedy: error.remedy)
            }
        }
        gateway.unixSocketPath = try Self.path(options[.gatewaySocket]) ?? gateway.unixSocketPath
        engine.llamaServer = try Self.path(options[.llamaServer]) ?? engine.llamaServer
    }

    private static func path(_ given: AgentOptions.Given?) throws(AgentError) -> String? {
        guard let given else { return nil }
        guard !given.value.isEmpty else {
            throw AgentError(.invalidConfiguration, "\(given.source) is empty.", remedy: "Give a path.")
        }
        return given.value
    }

    private static func adoptedPath(_ data: String) -> String { data + "/" + adoptedName }

    private static func read(file path: String, policy: LocalPolicy) throws -> AgentConfiguration {
        guard let bytes = try contents(path) else { throw absent(path) }
        return try parse(bytes, path, policy)
    }

    private static func parse(
        _ bytes: [UInt8], _ path: String, _ policy: LocalPolicy
    ) throws(AgentError) -> AgentConfiguration {
        do {
            return try AgentConfiguration(parsing: bytes, policy: policy)
        } catch {
            throw AgentError(.invalidConfiguration, "\(path): \(error.message)", remedy: error.remedy)
        }
    }

    private static func contents(_ path: String) throws(AgentError) -> [UInt8]? {
        do {
            return try RealFileSystem().contents(of: path, limit: AgentLimits.configurationBytes)
        } catch {
            throw AgentError(
                .invalidConfiguration, "The configuration cannot be read: \(error.message)",
                remedy: "Give a file of at most \(AgentLimits.configurationBytes) bytes that the agent's user may read."
            )
        }
    }

    private static func absent(_ path: String) -> AgentError {
        AgentError(
            .invalidConfiguration, "There is no configuration file \(path).",
            remedy: "Check the path; docs/formats/agent-config.md describes the file.")
    }
}
