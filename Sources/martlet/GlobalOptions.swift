import ArgumentParser
import FoundationEssentials
import MartletAPI
import MartletTypes
import RegistryClient
import Synchronization

/// What every command takes. A flag wins over the environment, that over the configuration file.
struct GlobalOptions: ParsableArguments {
    @Option(help: "The registry's operator address, in place of the one of `martlet login` ($MARTLET_SERVER).")
    var server: String?

    @Option(help: "The bearer token ($MARTLET_TOKEN); --token-file keeps it out of the process list.")
    var token: String?

    @Option(help: "A file that holds the bearer token ($MARTLET_TOKEN_FILE).", completion: .file())
    var tokenFile: String?

    @Option(help: "PEM of the authority of the registry's certificate ($MARTLET_CA_FILE).", completion: .file())
    var caFile: String?

    @Option(help: "The configuration file ($MARTLET_CONFIG).", completion: .file())
    var config: String?

    @Option(name: .shortAndLong, help: "How results, and errors, are printed ($MARTLET_OUTPUT).")
    var output: OutputFormat?

    /// PEM that `martlet login --fingerprint` has found.
    var pinned: String?

    private enum CodingKeys: CodingKey { case server, token, tokenFile, caFile, config, output }

    func validate() throws {
        if output == nil, let value = ProcessInfo.processInfo.environment[OutputFormat.variable],
            OutputFormat(rawValue: value) == nil
        {
            throw ValidationError("\(OutputFormat.variable) is \"\(value)\"; it may be table or json.")
        }
    }

    /// Where results go.
    var printer: Output {
        let environment = ProcessInfo.processInfo.environment
        return Output(
            format: output ?? environment[OutputFormat.variable].flatMap(OutputFormat.init(rawValue:)) ?? .table)
    }

    /// The configuration file's path.
    var configurationPath: String { ClientConfiguration.path(config) }

    /// What `login` and `trust init` remembered.
    func stored() throws -> ClientConfiguration { try ClientConfiguration.load(configurationPath) }

    /// Opens a session with the registry; says what is missing.
    func session() throws -> Session {
        let environment = ProcessInfo.processInfo.environment
        let stored = try ClientConfiguration.load(configurationPath)
        guard let address = server ?? environment["MARTLET_SERVER"] ?? stored.server else {
            throw CommandError(
                "notLoggedIn", "No registry is known.",
                remedy: "Run `martlet login ADDRESS --token-file FILE`, or give --server.")
        }
        // As the configuration keeps it, so that the same registry is known by one name.
        let server = try Origin(address).text
        var secret = token ?? environment["MARTLET_TOKEN"]
        if secret == nil, let file = tokenFile ?? environment["MARTLET_TOKEN_FILE"] {
            secret = try Self.secret(in: file)
        }
        // A stored token belongs to the stored server and is sent nowhere else.
        if secret == nil, server == stored.server { secret = stored.token }
        // As is its authority: another registry has another, or one that the system knows.
        var authority = server == stored.server ? stored.authority : nil
        if let file = caFile ?? environment["MARTLET_CA_FILE"] {
            authority = String(decoding: try LocalText.read(file), as: UTF8.self)
        }
        authority = pinned ?? authority
        return try Session(server: server, token: secret, authority: authority, stored: stored)
    }

    /// The first line of a file. Read once in a process: standard input (/dev/stdin) can be read no second time.
    static func secret(in file: String, called what: String = "token") throws -> String {
        try secrets.withLock { known in
            if let line = known[file] { return line }
            let text = String(decoding: try LocalText.read(file), as: UTF8.self)
            guard let line = text.split(whereSeparator: \.isNewline).first.map(String.init) else {
                throw CommandError(
                    "emptySecretFile", "\(file) holds no \(what).", remedy: "Put the \(what) on its first line.")
            }
            known[file] = line
            return line
        }
    }

    private static let secrets = Mutex<[String: String]>([:])
}
