import ArgumentParser
import MartletAPI
import MartletTypes
import RegistryClient
import Trust

struct Login: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remember a registry and a token, after trying them.",
        discussion: """
            The token comes from --token-file, from $MARTLET_TOKEN, or from the terminal. It is kept in a file that \
            only you can read, and sent to this registry only.

            A registry whose certificate is of its own authority is known by --fingerprint, which the registry prints \
            when it starts, or by --ca-file; either is remembered.

            Examples:
              martlet login https://registry.example --token-file admin.token
              martlet login https://10.0.0.5:8080 --token-file admin.token \\
                --fingerprint 4be9…e1
              pass show martlet | martlet login https://registry.example \\
                --token-file /dev/stdin --ca-file registry.pem
            """)

    @Argument(help: "The registry's operator address.") var address: String
    @Option(help: "SHA-256 of the certificate of the registry's own authority, in hexadecimal.")
    var fingerprint: String?
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var options = options
        options.server = address
        if let fingerprint { options.pinned = try await Self.authority(of: address, fingerprint) }
        var stored = try ClientConfiguration.load(options.configurationPath)
        var session = try options.session()
        if session.token == nil {
            guard Terminal.isThere else {
                throw CommandError(
                    "tokenNeeded", "A token is needed, and there is no terminal to ask on.",
                    remedy: "Give --token-file FILE; an administrator makes tokens with `martlet token create`.")
            }
            options.token = String(decoding: try Terminal.ask("Token for \(session.server): "), as: UTF8.self)
            session = try options.session()
        }
        let caller = try await session.get(OperatorRoutes.whoAmI, as: Caller.self)
        if stored.server != session.server { stored = .empty }
        stored.server = session.server
        stored.token = session.token
        stored.authority = session.authority
        try stored.save(options.configurationPath)
        try options.printer.say(caller) { caller in
            let names = (caller.namespaces ?? []) + (caller.fleets ?? []).map(\.text)
            let scope = names.isEmpty ? "" : " of \(names.joined(separator: ", "))"
            let end = caller.expires.map { ", until \($0)" } ?? ""
            return "Logged in to \(session.server) as \(caller.name) (\(caller.role.rawValue)\(scope)\(end))."
        }
    }

    /// The authority's certificate, from whoever answers, where its fingerprint is the one that is known.
    ///
    /// No token is sent on this way: what follows is checked against the certificate.
    private static func authority(of address: String, _ fingerprint: String) async throws -> String {
        let wanted = fingerprint.filter { $0 != ":" }.lowercased()
        guard Hex.decode(wanted)?.count == 32 else {
            throw InvalidValue(
                kind: "fingerprint", value: fingerprint, rule: "64 hexadecimal digits, colons between them or not")
        }
        var configuration = HTTPClientConfiguration(userAgent: "martlet/" + MartletVersion.text)
        configuration.acceptsAnyPeer = true
        let http = try HTTPClient(origin: try Origin(address), configuration: configuration)
        let api = OperatorClient(http: http).api
        let reply = try await api.send(api.call(OperatorRoutes.authority))
        await http.close()
        guard let facts = try? CertificateFacts(reply.body) else {
            throw CommandError(
                "notARegistry", "\(address) does not say what its authority is.", remedy: "Check the address.",
                fault: .peer)
        }
        guard facts.sha256Fingerprint == wanted else {
            throw CommandError(
                "authorityMismatch",
                "\(address) has an authority with the fingerprint \(facts.sha256Fingerprint), which is another.",
                remedy: "Compare it with what the registry printed when it started; somebody may stand in between.",
                fault: .peer)
        }
        return String(decoding: reply.body, as: UTF8.self)
    }
}
