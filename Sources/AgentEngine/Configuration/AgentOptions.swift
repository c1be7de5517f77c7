package import MartletTypes

/// The options of `martlet-agent`, each of which may be a variable too.
package enum AgentOption: String, OptionName {
    package static let prefix = "MARTLET_AGENT"

    case data
    case config
    /// The machine's own file, which the packaged unit names: it counts where no other is named and it says something.
    case systemConfig = "system-config"
    case gateway
    case gatewaySocket = "gateway-socket"
    case llamaServer = "llama-server"
    case logLevel = "log-level"
}

/// What was said to the agent; it wins over the configuration file.
package typealias AgentOptions = ProgramOptions<AgentOption>
