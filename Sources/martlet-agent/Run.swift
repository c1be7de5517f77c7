import AgentEngine
import ArgumentParser
import Glibc
import Logging
import MartletTypes

/// `martlet-agent run`.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve what is assigned, until a signal ends it.",
        discussion: """
            Starts the slots from disk, needs no network for that, and follows the registry whenever it is there. \
            The bound address of the gateway is written to DIR/run/addresses.json.

            Example:
              martlet-agent run --data /var/lib/martlet-agent --gateway 127.0.0.1:8080
            """)

    @OptionGroup var place: DataOption

    @Option(help: "The configuration file (default: $MARTLET_AGENT_SYSTEM_CONFIG, then the one kept at enrolment).")
    var config: String?

    @Option(help: "Where the gateway listens (default 127.0.0.1:8080). Port 0 takes a free one.")
    var gateway: String?

    @Option(help: "A UNIX socket where the gateway listens too.")
    var gatewaySocket: String?

    @Option(help: "The engine's program (default: $MARTLET_LLAMA_SERVER, then PATH, then the cache of `make`).")
    var llamaServer: String?

    @Option(help: "trace, debug, info, notice, warning, error (default info).")
    var logLevel: String?

    func run() async throws {
        // A reader of our output or a client that goes away must not end the device's service.
        signal(SIGPIPE, SIG_IGN)
        AgentApp.prepareProcess()
        var flags: [AgentOptions.Name: String] = [:]
        flags[.data] = place.data
        flags[.config] = config
        flags[.gateway] = gateway
        flags[.gatewaySocket] = gatewaySocket.map(AbsolutePath.of)
        flags[.llamaServer] = llamaServer.map(AbsolutePath.of)
        flags[.logLevel] = logLevel
        let environment = Environment.variables
        let options = AgentOptions(flags: flags, environment: environment)
        try await ExitStatus.reporting {
            let data = place.path(options)
            // Where another program of the agent is to run, this line does not return.
            let launcher = ProgramLauncher(data: data, environment: environment)
            try launcher.launch(CommandLine.arguments)
            let isRestart = try await launcher.forgiving {
                let configuration = try AgentConfiguration.load(data: data, options: options)
                let log = LogRing()
                return try await AgentApp(
                    configuration: configuration, data: data, environment: environment,
                    logger: try Self.logger(options, log), log: log
                ).run()
            }
            // A service manager that was told of the end (STOPPING=1) ends this process however it goes on, and starts
            // the agent anew by itself.
            if isRestart, environment["NOTIFY_SOCKET"] == nil {
                ProgramLauncher.relaunch(CommandLine.arguments, environment)
            }
        }
    }

    private static func logger(_ options: AgentOptions, _ log: LogRing) throws -> Logger {
        var logger = Logger(label: "martlet-agent") { log.handler(StreamLogHandler.standardError(label: $0)) }
        let level = try options.choice(.logLevel, kind: "log level", of: Logger.Level.self)
        if let level { logger.logLevel = level }
        return logger
    }
}
