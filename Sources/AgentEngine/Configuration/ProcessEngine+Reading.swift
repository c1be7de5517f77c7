internal import MartletTypes
internal import ModelRuntime

extension ProcessEngine {
    private static let members = [
        "command", "version", "versionCommand", "formats", "protocol", "ready", "startSeconds", "memoryBytes",
        "environment", "readable", "connections",
    ]

    /// What becomes of a connection after an answer.
    private enum ConnectionWord: String, CaseIterable { case closed, kept }

    /// Reads `engines`: an object of engines by name. Throws `invalidConfiguration` that names the place.
    static func declared(_ object: ConfigurationObject) throws(AgentError) -> [ProcessEngine] {
        guard object.names.count <= RuntimeLimits.declaredEngines else {
            throw AgentError(
                .invalidConfiguration, "engines has more than \(RuntimeLimits.declaredEngines) members.",
                remedy: "Declare fewer.")
        }
        var engines: [ProcessEngine] = []
        for name in object.names {
            guard isName(name), name != InstalledEngines.llama else {
                throw object.wrong(
                    name, "is no name of a declared engine",
                    "1 to \(Limits.nameBytes) letters, digits, '.', '_' or '-', but not \(InstalledEngines.llama)")
            }
            guard let engine = try object.object(name, knowing: members) else { continue }
            engines.append(try ProcessEngine(name, engine))
        }
        return engines
    }

    private init(_ name: String, _ object: ConfigurationObject) throws(AgentError) {
        var traits = EngineTraits()
        let formats = try object.list("formats")
        for (index, format) in formats.enumerated() where !Self.isName(format) {
            throw object.wrong("formats[\(index)]", "is no name of a format", "e.g. onnx")
        }
        traits.formats = Set(formats)
        guard !formats.isEmpty else {
            throw object.wrong("formats", "is missing or empty", "the formats of model files that it takes, e.g. onnx")
        }
        traits.speaks = try object.choice("protocol", of: EngineProtocol.self) ?? .http
        if let path = try object.text("ready") {
            guard EngineQuestion.isPath(path) else {
                throw object.wrong("ready", "is no path", "the path that answers 200 once it is ready, e.g. /health")
            }
            traits.readyPath = path
        }
        traits.startTimeout = try object.integer("startSeconds", in: 1...3600).map { .seconds($0) }
        traits.memory = try object.integer("memoryBytes", in: 1...ConfigurationRange.disk.upperBound).map {
            ByteCount($0)
        }
        traits.keepsAlive = try object.choice("connections", of: ConnectionWord.self) == .kept
        var version: SemanticVersion?
        if let text = try object.text("version") {
            version = try object.checked("version") { () throws(InvalidValue) in try SemanticVersion(text) }
        }
        let asks = try object.list("versionCommand")
        guard version == nil || asks.isEmpty else {
            throw object.wrong("versionCommand", "stands beside version", "one of the two")
        }
        self.init(
            name: name, command: try object.list("command"), version: version, versionCommand: asks,
            environment: try Self.environment(object), readable: try object.paths("readable"), traits: traits)
        if let fault { throw object.wrong("command", fault, "e.g. [\"/opt/x/serve\", \"{model}\", \"{socket}\"]") }
    }

    private static func environment(_ object: ConfigurationObject) throws(AgentError) -> [String: String] {
        guard let values = try object.object("environment", knowing: nil) else { return [:] }
        var environment: [String: String] = [:]
        for name in values.names {
            guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "=") }) else {
                throw values.wrong(name, "is no name of a variable", "visible ASCII characters without =")
            }
            environment[name] = try values.text(name)
        }
        return environment
    }

    /// As names of engines and formats stand in releases.
    private static func isName(_ text: String) -> Bool {
        (1...Limits.nameBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                let lower = byte | 0x20
                return (0x61...0x7a).contains(lower) || (0x30...0x39).contains(byte) || "._-".utf8.contains(byte)
            }
    }
}
