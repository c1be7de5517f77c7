/// What may be said on the command line or in the environment; a flag wins over its variable, and both over the file.
package struct AgentOptions: Sendable {
    /// One option, by its long flag.
    package enum Name: String, Sendable, CaseIterable {
        case data
        case config
        case gateway
        case gatewaySocket = "gateway-socket"
        case llamaServer = "llama-server"
        case logLevel = "log-level"

        /// E.g. `--gateway-socket`.
        package var flag: String { "--" + rawValue }
        /// E.g. `MARTLET_AGENT_GATEWAY_SOCKET`.
        package var variable: String { "MARTLET_AGENT_" + rawValue.uppercased().replacing("-", with: "_") }
    }

    /// A value with the flag or variable that it came from, for errors.
    package struct Given: Sendable, Hashable {
        package let value: String
        package let source: String
    }

    private let values: [Name: Given]

    /// An empty variable counts as absent; an empty flag is given and will be refused where it makes no sense.
    package init(flags: [Name: String] = [:], environment: [String: String] = [:]) {
        var values: [Name: Given] = [:]
        for name in Name.allCases {
            if let value = flags[name] {
                values[name] = Given(value: value, source: name.flag)
            } else if let value = environment[name.variable], !value.isEmpty {
                values[name] = Given(value: value, source: name.variable)
            }
        }
        self.values = values
    }

    package subscript(name: Name) -> Given? { values[name] }
}
