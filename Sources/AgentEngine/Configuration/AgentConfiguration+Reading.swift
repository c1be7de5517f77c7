internal import AgentStore
internal import DeviceProfiles
internal import MartletTypes
internal import ModelRuntime
package import Trust

extension AgentConfiguration {
    private static let members = [
        "policy", "engine", "engines", "slots", "gateway", "telemetrySeconds", "telemetryBudgetBytes",
        "diskBudgetBytes", "diskReserveBytes", "bandwidthBytesPerSecond", "deviceKey", "labels", "control",
        "background", "agentTrialSeconds", "profile",
    ]

    /// Reads a configuration file. Throws `invalidConfiguration` that names the place in the file.
    ///
    /// `policy` holds where the file states none.
    package init(parsing bytes: [UInt8], policy: LocalPolicy = LocalPolicy()) throws(AgentError) {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw AgentError(
                .invalidConfiguration, "It is not JSON: \(Self.detail(of: error)).",
                remedy: "Check brackets, commas and quotes; comments are not allowed.")
        }
        self.init()
        let file = try ConfigurationObject(value, at: "", knowing: Self.members)
        self.policy = try file.object("policy", knowing: LocalPolicy.members).map(LocalPolicy.init) ?? policy
        if let engine = try file.object("engine", knowing: EngineSettings.members) {
            self.engine = try EngineSettings(engine)
        }
        if let engines = try file.object("engines", knowing: nil) { declared = try ProcessEngine.declared(engines) }
        if let slots = try file.object("slots", knowing: SlotSharing.members) { self.slots = try SlotSharing(slots) }
        if let gateway = try file.object("gateway", knowing: GatewayConfiguration.members) {
            try self.gateway.read(gateway)
        }
        if let seconds = try file.integer("telemetrySeconds", in: 1...86_400) { telemetryInterval = .seconds(seconds) }
        if let bytes = try file.integer("telemetryBudgetBytes", in: ConfigurationRange.telemetryBudget) {
            telemetryBudget = ByteCount(bytes)
        }
        if let bytes = try file.integer("diskBudgetBytes", in: ConfigurationRange.disk) {
            disk.limit = ByteCount(bytes)
        }
        if let bytes = try file.integer("diskReserveBytes", in: 0...ConfigurationRange.disk.upperBound) {
            disk.reserve = ByteCount(bytes)
        }
        bandwidth = try file.integer("bandwidthBytesPerSecond", in: ConfigurationRange.bandwidth).map { ByteCount($0) }
        if let key = try file.object("deviceKey", knowing: DeviceKeySettings.members) {
            deviceKey = try DeviceKeySettings(key)
        }
        labels = try Self.labels(file)
        if let control = try file.object("control", knowing: ControlAccess.members) {
            self.control = try ControlAccess(control)
        }
        if let background = try file.object("background", knowing: BackgroundRule.members) {
            self.background = try BackgroundRule(background)
        }
        if let seconds = try file.integer("agentTrialSeconds", in: 5...86_400) { agentTrialSeconds = Int(seconds) }
        profile = try Self.profile(file)
    }

    private static func profile(_ file: ConfigurationObject) throws(AgentError) -> String? {
        guard let name = try file.text("profile") else { return nil }
        do {
            return try ProfileCatalog.embedded().profile(name).id
        } catch {
            throw AgentError(.invalidConfiguration, "profile: \(error.message)", remedy: error.remedy)
        }
    }

    private static func labels(_ file: ConfigurationObject) throws(AgentError) -> Labels {
        guard let object = try file.object("labels", knowing: nil) else { return .none }
        var values: [String: String] = [:]
        for name in object.names { values[name] = try object.text(name) }
        return try file.checked("labels") { () throws(InvalidValue) in try Labels(values) }
    }

    private static func detail(of error: any Error) -> String {
        guard case DecodingError.dataCorrupted(let context) = error else { return "it cannot be read" }
        return context.debugDescription
    }
}

/// Bounds of numbers in the configuration file, each with its reason.
enum ConfigurationRange {
    /// From one measurement to what nobody wants to send after a month offline.
    static let telemetryBudget: ClosedRange<Int64> = 65_536...(1 << 40)
    /// From one small adapter to more than any disk.
    static let disk: ClosedRange<Int64> = 1_048_576...(1 << 50)
    /// Below a kilobyte per second no transfer would ever end.
    static let bandwidth: ClosedRange<Int64> = 1024...(1 << 40)
    /// Keys shorter than this are guessed.
    static let keyCharacters = 16...512
    /// Keys, host names, patterns and paths in one list.
    static let listEntries = 256
}

extension EngineSettings {
    fileprivate static let members = [
        "llamaServer", "threads", "launcher", "confine", "readable", "writable", "niceness",
    ]

    fileprivate init(_ object: ConfigurationObject) throws(AgentError) {
        self.init()
        llamaServer = try object.absolutePath("llamaServer")
        let threads = Int64(RuntimeLimits.threads.lowerBound)...Int64(RuntimeLimits.threads.upperBound)
        self.threads = try object.integer("threads", in: threads).map { Int($0) }
        launcher = try object.choice("launcher", of: EngineLauncherKind.self) ?? launcher
        confinement.mode = try object.choice("confine", of: Confinement.Mode.self) ?? confinement.mode
        confinement.readable = try object.paths("readable")
        confinement.writable = try object.paths("writable")
        niceness = Int(try object.integer("niceness", in: 0...19) ?? 0)
    }
}

extension GatewayConfiguration {
    fileprivate static let members = [
        "address", "socket", "hosts", "keys", "maxParkSeconds", "parkedRequests", "maxBodyBytes", "connections",
        "drainSeconds",
    ]

    fileprivate mutating func read(_ object: ConfigurationObject) throws(AgentError) {
        if let address = try object.text("address") {
            (host, port) = try object.checked("address") { () throws(InvalidValue) in
                try GatewayAddress.parse(address)
            }
        }
        unixSocketPath = try object.absolutePath("socket")
        allowedHosts = try object.list("hosts")
        apiKeys = try object.list("keys")
        for (index, key) in apiKeys.enumerated()
        where !ConfigurationRange.keyCharacters.contains(key.count)
            || !key.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        {
            let range = ConfigurationRange.keyCharacters
            throw object.wrong(
                "keys[\(index)]", "is no key",
                "\(range.lowerBound) to \(range.upperBound) printable ASCII characters without spaces")
        }
        if let seconds = try object.integer("maxParkSeconds", in: 0...3600) { maxPark = .seconds(seconds) }
        if let count = try object.integer("parkedRequests", in: 0...65_536) { parkedRequests = Int(count) }
        if let bytes = try object.integer("maxBodyBytes", in: 1024...(1 << 30)) { maxBodyBytes = ByteCount(bytes) }
        if let count = try object.integer("connections", in: 1...65_536) { connections = Int(count) }
        if let seconds = try object.integer("drainSeconds", in: 0...86_400) { drainDeadline = .seconds(seconds) }
    }
}

extension LocalPolicy {
    fileprivate static let members = [
        "slots", "otherSlots", "maxContextTokens", "maxParallelRequests", "maxThreads", "engineNamespace",
        "agentNamespace", "offlineInstall", "localRollback", "requireModelSignature",
    ]

    fileprivate init(_ object: ConfigurationObject) throws(AgentError) {
        self.init()
        if let slots = try object.object("slots", knowing: nil) {
            for name in slots.names {
                let slot = try object.checked("slots") { () throws(InvalidValue) in try SlotName(name) }
                self.slots[slot] = try slots.patterns(name)
            }
        }
        otherSlots = try object.patterns("otherSlots")
        if let tokens = try object.integer("maxContextTokens", in: object.range(RuntimeLimits.contextTokens)) {
            maxContextTokens = Int(tokens)
        }
        if let requests = try object.integer("maxParallelRequests", in: object.range(RuntimeLimits.parallelRequests)) {
            maxParallelRequests = Int(requests)
        }
        maxThreads = try object.integer("maxThreads", in: object.range(RuntimeLimits.threads)).map { Int($0) }
        engineNamespace = try object.namespace("engineNamespace")
        agentNamespace = try object.namespace("agentNamespace")
        offlineInstall = try object.choice("offlineInstall", of: OfflineWord.self).map(\.value) ?? .refused
        allowsLocalRollback = try object.choice("localRollback", of: OfflineWord.self) != .refused
        if let demands = try object.object("requireModelSignature", knowing: nil) {
            modelSignatures = try demands.signatureDemands()
        }
    }

    /// `LocalPolicy.OfflineInstall` with a list of its words.
    private enum OfflineWord: String, CaseIterable {
        case allowed, refused
        var value: LocalPolicy.OfflineInstall { self == .allowed ? .allowed : .refused }
    }
}

extension ConfigurationObject {
    /// An absent list is empty.
    func list(_ name: String) throws(AgentError) -> [String] {
        let texts = try texts(name) ?? []
        guard texts.count <= ConfigurationRange.listEntries else {
            throw wrong(name, "has \(texts.count) entries", "at most \(ConfigurationRange.listEntries)")
        }
        return texts
    }

    func paths(_ name: String) throws(AgentError) -> [String] {
        let paths = try list(name)
        for (index, path) in paths.enumerated() where !path.hasPrefix("/") || path.utf8.contains(0) {
            throw wrong("\(name)[\(index)]", "is not an absolute path", "a path that starts with /")
        }
        return paths
    }

    /// Repositories, or whole namespaces as `clinic/*`.
    fileprivate func patterns(_ name: String) throws(AgentError) -> [String] {
        let patterns = try list(name)
        for (index, pattern) in patterns.enumerated() { try checkPattern(pattern, at: "\(name)[\(index)]") }
        return patterns
    }

    private func checkPattern(_ pattern: String, at place: String) throws(AgentError) {
        let example = pattern.hasSuffix("/*") ? pattern.dropLast() + "x" : pattern[...]
        _ = try checked(place) { () throws(InvalidValue) in
            do {
                return try RepositoryName(String(example))
            } catch {
                throw InvalidValue(kind: "pattern", value: pattern, rule: "NAMESPACE/NAME or NAMESPACE/*")
            }
        }
    }

    /// Keys by pattern of repositories; a pattern without keys would refuse everything, which `slots` says better.
    fileprivate func signatureDemands() throws(AgentError) -> [String: [ModelSignatureKey]] {
        var demands: [String: [ModelSignatureKey]] = [:]
        for pattern in names {
            try checkPattern(pattern, at: pattern)
            let texts = try list(pattern)
            guard !texts.isEmpty else { throw wrong(pattern, "has no key", "at least one public key") }
            var keys: [ModelSignatureKey] = []
            for (index, text) in texts.enumerated() {
                keys.append(
                    try checked("\(pattern)[\(index)]") { () throws(InvalidValue) in try ModelSignatureKey(text) })
            }
            demands[pattern] = keys
        }
        return demands
    }

    fileprivate func namespace(_ name: String) throws(AgentError) -> String? {
        guard let text = try text(name) else { return nil }
        _ = try checked(name) { () throws(InvalidValue) in
            guard !text.contains("/") else { throw InvalidValue(kind: "namespace", value: text, rule: "one name") }
            return try RepositoryName(text + "/x")
        }
        return text
    }

    fileprivate func range(_ range: ClosedRange<Int>) -> ClosedRange<Int64> {
        Int64(range.lowerBound)...Int64(range.upperBound)
    }
}
