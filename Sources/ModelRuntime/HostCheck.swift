/// Who may talk to the gateway: checks against DNS rebinding, foreign pages and missing keys.
struct HostCheck {
    private let names: Set<String>
    private let keys: [String]

    init(configuration: GatewayConfiguration) {
        var names: Set<String> = ["localhost", "127.0.0.1", "[::1]"]
        names.formUnion(configuration.allowedHosts.map { $0.lowercased() })
        names.insert(configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host)
        self.names = names
        keys = configuration.apiKeys
    }

    /// A `Host` value, with or without its port.
    func isAllowed(host: String) -> Bool {
        let name: Substring
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return false }
            name = host[...end]
        } else {
            name = host.prefix { $0 != ":" }
        }
        let port = host.dropFirst(name.count)
        guard port.isEmpty || port.first == ":" && port.dropFirst().allSatisfy(\.isNumber) else { return false }
        return names.contains(name.lowercased())
    }

    /// An `Origin` value: the scheme, then as in `Host`. `null`, which sandboxed pages send, is not allowed.
    func isAllowed(origin: String) -> Bool {
        for scheme in ["http://", "https://"] where origin.hasPrefix(scheme) {
            return isAllowed(host: String(origin.dropFirst(scheme.count)))
        }
        return false
    }

    /// Whether one of the keys was sent, or none is needed.
    func hasKey(_ authorization: [String]) -> Bool {
        guard !keys.isEmpty else { return true }
        guard authorization.count == 1, authorization[0].lowercased().hasPrefix("bearer ") else { return false }
        let sent = Array(authorization[0].utf8.dropFirst("bearer ".utf8.count))
        var found = false
        for key in keys where Self.isEqual(Array(key.utf8), sent) { found = true }
        return found
    }

    /// Compares all bytes whatever they are, so that the time tells nothing about where they differ.
    private static func isEqual(_ key: [UInt8], _ sent: [UInt8]) -> Bool {
        guard key.count == sent.count else { return false }
        return zip(key, sent).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
