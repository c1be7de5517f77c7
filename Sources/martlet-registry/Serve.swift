import ArgumentParser
import Foundation
import Logging
import MartletTypes
import RegistryServer
import SystemdNotify

/// `martlet-registry serve`. Each option may stand in the environment too: `--data` as `MARTLET_REGISTRY_DATA`.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve operators and devices until a signal ends it.",
        discussion: """
            Every option can be given as an environment variable instead: --device-address as \
            MARTLET_REGISTRY_DEVICE_ADDRESS. An option on the command line wins.

            On an empty data folder it makes its online keys and the first admin token, and is not ready until \
            `martlet trust init` has put a root in place. The token goes to --admin-token-file; without that it is \
            printed once, or, where systemd keeps what is printed, written to admin.token in the data folder.

            Exit codes: 64 wrong usage, 69 address or data folder in use, 74 disk, 77 address forbidden, 78 wrong \
            configuration, a database of a newer program, or an unfinished restore; 70 defect.

            Example:
              martlet-registry serve --data /var/lib/martlet \\
                --public-device-url https://registry.example:8443
            """)

    @Option(help: "The folder of keys, database and blobs.")
    var data: String?

    @Option(help: "Where operators connect (default 127.0.0.1:8080). Port 0 lets the system choose.")
    var operatorAddress: String?

    @Option(help: "Where devices connect (default 127.0.0.1:8443).")
    var deviceAddress: String?

    @Option(help: "The origin under which devices reach their listener, e.g. https://registry.example:8443.")
    var publicDeviceUrl: String?

    @Option(help: "Certificate chain (PEM) of the operators' listener.")
    var operatorTlsCert: String?

    @Option(help: "Private key (PEM) of the operators' listener.")
    var operatorTlsKey: String?

    @Option(
        help: """
            How operators connect without --operator-tls-cert: `own` is TLS by the registry's own authority (the \
            default outside loopback), `plain` is HTTP (the default on loopback; elsewhere for a proxy in front).
            """)
    var operatorTls: String?

    @Option(help: "A name in the operators' own certificate; several are separated by commas.")
    var operatorHosts: String?

    @Option(help: "How long devices' certificates are good, e.g. 90d (the default) or 12h.")
    var deviceCertificateLife: String?

    @Flag(help: "Devices that join get nothing before `martlet devices approve`, unless their token says otherwise.")
    var requireApproval = false

    @Option(
        help: """
            How far away webhooks may go: `public` addresses only, `private` networks too (the default), or this \
            machine too (`loopback`). Link-local and metadata addresses are never among them.
            """)
    var webhookNetwork: String?

    @Option(help: "Certificates (PEM) that webhooks' receivers may have theirs from, beside what the system trusts.")
    var webhookCa: String?

    @Option(help: "Attempts before a webhook's delivery is given up (default 15, in about three days).")
    var webhookAttempts: String?

    @Option(help: "The pause before the second attempt, e.g. 5s (the default); each further one is three times longer.")
    var webhookFirstPause: String?

    @Option(help: "After how long without any success a webhook is disabled, e.g. 5d (the default).")
    var webhookDisableAfter: String?

    @Option(help: "Read templates, styles and the OpenAPI document from this folder, while editing them.")
    var assetsDir: String?

    @Option(help: "Write the first admin token to this file (mode 0600), and do not print it.")
    var adminTokenFile: String?

    @Option(help: "Log level: trace, debug, info, notice, warning, error (default info).")
    var logLevel: String?

    func run() async throws {
        do {
            try await RegistryApp(configuration: try settings()).run()
        } catch let error as any MartletError {
            FileHandle.standardError.write(Data("martlet-registry: \(error)\n".utf8))
            throw ExitCode(Self.status(of: error))
        }
    }

    /// What was said on the command line, else in the environment.
    private var options: RegistryOptions {
        var flags: [RegistryOption: String] = [:]
        flags[.data] = data
        flags[.operatorAddress] = operatorAddress
        flags[.deviceAddress] = deviceAddress
        flags[.publicDeviceURL] = publicDeviceUrl
        flags[.operatorTLSCertificate] = operatorTlsCert
        flags[.operatorTLSKey] = operatorTlsKey
        flags[.operatorTLS] = operatorTls
        flags[.operatorHosts] = operatorHosts
        flags[.deviceCertificateLife] = deviceCertificateLife
        flags[.requireApproval] = requireApproval ? "true" : nil
        flags[.webhookNetwork] = webhookNetwork
        flags[.webhookAuthority] = webhookCa
        flags[.webhookAttempts] = webhookAttempts
        flags[.webhookFirstPause] = webhookFirstPause
        flags[.webhookDisableAfter] = webhookDisableAfter
        flags[.assetsFolder] = assetsDir
        flags[.adminTokenFile] = adminTokenFile
        flags[.logLevel] = logLevel
        return RegistryOptions(flags: flags, environment: ProcessInfo.processInfo.environment)
    }

    private func settings() throws -> RegistryConfiguration {
        let options = options
        func value(_ name: RegistryOption) -> String? { options[name]?.value }
        var logger = Logger(label: "martlet-registry") { StreamLogHandler.standardError(label: $0) }
        let level = try options.choice(.logLevel, kind: "log level", of: Logger.Level.self)
        if let level { logger.logLevel = level }
        let hosts = (value(.operatorHosts) ?? "").split(separator: ",").map(String.init)
        let life = try value(.deviceCertificateLife).map(Self.duration)
        return RegistryConfiguration(
            dataFolder: try DataCommand.folder(options),
            operatorAddress: try ListenAddress(value(.operatorAddress) ?? "127.0.0.1:8080"),
            deviceAddress: try ListenAddress(value(.deviceAddress) ?? "127.0.0.1:8443"),
            publicDeviceURL: value(.publicDeviceURL),
            operatorSecurity: try security(
                value(.operatorTLSCertificate), value(.operatorTLSKey), value(.operatorTLS)),
            operatorHosts: hosts, requiresApproval: value(.requireApproval) == "true",
            deviceCertificateLife: life ?? .seconds(90 * 86_400), webhooks: try webhooks(options),
            assetsFolder: value(.assetsFolder), adminTokenFile: value(.adminTokenFile),
            isOutputKept: JournalStream.receives(STDOUT_FILENO, environment: ProcessInfo.processInfo.environment),
            clock: { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) }, logger: logger,
            notice: ServiceNotice(environment: ProcessInfo.processInfo.environment),
            announce: { line in
                // Unbuffered, so that the line is there when standard output is a file that someone watches.
                FileHandle.standardOutput.write(Data((line + "\n").utf8))
            })
    }

    private func webhooks(_ options: RegistryOptions) throws -> WebhookConfiguration {
        var webhooks = WebhookConfiguration()
        let network = try options.choice(.webhookNetwork, kind: "network of webhooks", of: WebhookNetwork.self)
        if let network { webhooks.network = network }
        webhooks.authorityFile = options[.webhookAuthority]?.value
        if let given = options[.webhookAttempts] {
            guard let attempts = Int64(given.value) else {
                throw InvalidValue(
                    kind: "number of attempts (\(given.source))", value: given.value, rule: "a whole number, e.g. 15")
            }
            webhooks.attempts = attempts
        }
        if let pause = try options[.webhookFirstPause].map({ try Self.duration($0.value) }) {
            webhooks.firstPause = pause
        }
        if let time = try options[.webhookDisableAfter].map({ try Self.duration($0.value) }) {
            webhooks.disableAfter = time
        }
        return webhooks
    }

    private func security(
        _ certificate: String?, _ key: String?, _ kind: String?
    ) throws -> RegistryConfiguration.OperatorSecurity? {
        switch (certificate, key, kind) {
        case (let certificate?, let key?, nil): return .files(certificate: certificate, key: key)
        case (nil, nil, "own"): return .own
        case (nil, nil, "plain"): return .plain
        case (nil, nil, nil): return nil
        case (nil, nil, let kind?):
            throw InvalidValue(kind: "way to connect (--operator-tls)", value: kind, rule: "own or plain")
        case (_, _, .some):
            throw ValidationError("--operator-tls is for registries without --operator-tls-cert.")
        default: throw ValidationError("--operator-tls-cert and --operator-tls-key are given together.")
        }
    }

    /// `90d`, `12h`, `30m`, `45s`.
    private static func duration(_ text: String) throws -> Duration {
        let units: [Character: Int64] = ["d": 86_400, "h": 3600, "m": 60, "s": 1]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()),
            (1...1_000_000).contains(count)
        else {
            throw InvalidValue(kind: "length of time", value: text, rule: "a whole number and s, m, h or d, e.g. 90d")
        }
        return .seconds(count * unit)
    }

    /// Exit codes of sysexits.h.
    static func status(of error: any MartletError) -> Int32 {
        switch error.code {
        // No restart helps: the unit does not try one.
        case "badConfiguration", "invalidValue", "schemaTooNew", "migrationChanged", "restoreUnfinished": 78
        case "addressInUse", "addressNotHere", "dataFolderInUse": 69
        case "addressForbidden": 77
        case "diskFull", "dataFolderFailed", "ioFailed", "backupFailed", "backupFull", "backupDamaged", "blobDamaged":
            74
        case "notADataFolder", "backupIncomplete": 66
        case "dataFolderNotEmpty", "backupTooNew", "backupIntoRegistry": 73
        case "backupUnsteady", "backupInUse": 75
        default: 70
        }
    }
}
