import Foundation
import HTTPTypes
import RegistryClient
import TestSupport
import Testing
import Trust

/// `openssl s_server` with certificates made for the test: a TLS peer that is not ours.
final class TLSPeer {
    let folder: TemporaryFolder
    private(set) var port = 0
    private let server: ChildProcess
    /// Closed, it would end the server.
    private let input: FileHandle
    /// Closed, what the server prints would end it too.
    private let output: FileHandle

    init(serverName: String, requiresClient: Bool) async throws {
        folder = try TemporaryFolder()
        try await Self.run(
            "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", folder.file("ca.key"), "-out",
            folder.file("ca.pem"), "-days", "2", "-subj", "/CN=test authority")
        try await Self.issue("server", "subjectAltName=\(serverName)", folder)
        try await Self.issue("device", "extendedKeyUsage=clientAuth", folder)
        let (stdin, stdout) = (try ChildProcess.pipe(), try ChildProcess.pipe())
        server = try ChildProcess(
            "/usr/bin/env",
            [
                "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", folder.file("server.pem"), "-key",
                folder.file("server.key"), "-www", "-CAfile", folder.file("ca.pem"),
            ] + (requiresClient ? ["-Verify", "1", "-verify_return_error"] : []),
            input: .descriptor(stdin.reading.fileDescriptor), output: .descriptor(stdout.writing.fileDescriptor),
            errors: .nothing)
        input = stdin.writing
        output = stdout.reading
        // The child's end of its output must be the only one, or its end would never be read.
        try stdout.writing.close()
        var text = ""
        while let piece = try stdout.reading.read(upToCount: 1), !piece.isEmpty {
            text += String(decoding: piece, as: UTF8.self)
            guard text.hasSuffix("\n") else { continue }
            if text.hasPrefix("ACCEPT") { break }
            text = ""
        }
        port = text.split(separator: ":").last.flatMap { Int($0.dropLast()) } ?? 0
    }

    deinit { server.terminate() }

    var origin: Origin { get throws { try Origin("https://127.0.0.1:\(port)") } }

    func file(_ name: String) -> String { folder.file(name) }

    func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: file(name)))) }

    func identity() throws -> ClientIdentity {
        try ClientIdentity(certificatePEM: try bytes("device.pem"), keyPEM: try bytes("device.key"))
    }

    /// A certificate by the test's authority for the key.
    func identity(_ key: KeyPair) async throws -> ClientIdentity {
        let request = try CertificateRequest.make(key: key, commonName: "device")
        try Data(request).write(to: URL(fileURLWithPath: file("token.csr")))
        try await Self.run(
            "x509", "-req", "-inform", "DER", "-in", file("token.csr"), "-CA", file("ca.pem"), "-CAkey", file("ca.key"),
            "-CAcreateserial", "-days", "2", "-extfile", file("device.ext"), "-out", file("token.pem"))
        return ClientIdentity(certificatePEM: try bytes("token.pem"), key: key)
    }

    private static func issue(_ name: String, _ extensions: String, _ folder: TemporaryFolder) async throws {
        func file(_ name: String) -> String { folder.file(name) }
        try Data(extensions.utf8).write(to: URL(fileURLWithPath: file(name + ".ext")))
        try await run(
            "req", "-newkey", "ed25519", "-nodes", "-keyout", file(name + ".key"), "-out", file(name + ".csr"), "-subj",
            "/CN=" + name)
        try await run(
            "x509", "-req", "-in", file(name + ".csr"), "-CA", file("ca.pem"), "-CAkey", file("ca.key"),
            "-CAcreateserial", "-days", "2", "-extfile", file(name + ".ext"), "-out", file(name + ".pem"))
    }

    private static func run(_ arguments: String...) async throws {
        let done = try await TestSupport.run("/usr/bin/env", ["openssl"] + arguments)
        #expect(done.status == 0, "\(done.errors)")
    }
}

@Suite("TLS")
struct TLSTests {
    private func outcome(_ peer: TLSPeer, _ configuration: HTTPClientConfiguration) async throws -> ClientError.Code? {
        try await outcome(try peer.origin, configuration)
    }

    private func outcome(
        _ origin: Origin, _ configuration: HTTPClientConfiguration
    ) async throws -> ClientError.Code? {
        let client = try HTTPClient(origin: origin, configuration: configuration)
        let code = try await clientCode {
            let reply = try await client.perform(HTTPCall(.get, "/"), limit: 1_000_000)
            #expect(reply.status == 200)
        }
        await client.close()
        return code
    }

    @Test("the pinned authority is the only one, and the host must match")
    func pinning() async throws {
        let peer = try await TLSPeer(serverName: "IP:127.0.0.1", requiresClient: false)
        let stranger = try await TLSPeer(serverName: "IP:127.0.0.1", requiresClient: false)
        let elsewhere = try await TLSPeer(serverName: "DNS:registry.example", requiresClient: false)
        let good = try await outcome(peer, .init(authorityPEM: try peer.bytes("ca.pem")))
        let foreign = try await outcome(peer, .init(authorityPEM: try stranger.bytes("ca.pem")))
        let system = try await outcome(peer, .init())
        let otherHost = try await outcome(elsewhere, .init(authorityPEM: try elsewhere.bytes("ca.pem")))
        let garbage = try await outcome(peer, .init(authorityPEM: Array("no certificate".utf8)))
        #expect(good == nil)
        #expect(foreign == .certificateUntrusted)
        #expect(system == .certificateUntrusted)
        #expect(otherHost == .certificateUntrusted)
        #expect(garbage == .tlsFailed || garbage == .certificateUntrusted)
    }

    @Test("mutual TLS works with an Ed25519 key in memory, and its absence is named")
    func mutual() async throws {
        let peer = try await TLSPeer(serverName: "IP:127.0.0.1", requiresClient: true)
        let authority = try peer.bytes("ca.pem")
        let good = try await outcome(peer, .init(authorityPEM: authority, identity: try peer.identity()))
        let absent = try await outcome(peer, .init(authorityPEM: authority))
        #expect(good == nil)
        #expect(absent == .certificateRefused)
        #expect(!"\(try peer.identity())".contains("PRIVATE"))
    }

    @Test("mutual TLS works with P-256 in memory, and a key that does not belong to the certificate is refused here")
    func pairs() async throws {
        let peer = try await TLSPeer(serverName: "IP:127.0.0.1", requiresClient: true)
        let authority = try peer.bytes("ca.pem")
        let identity = try await peer.identity(try KeyPair.generate(.ecdsaP256))
        let good = try await outcome(peer, .init(authorityPEM: authority, identity: identity))
        #expect(good == nil)
        let other = ClientIdentity(
            certificatePEM: try peer.bytes("device.pem"), key: try KeyPair.generate(.ed25519))
        let bad = try await outcome(peer, .init(authorityPEM: authority, identity: other))
        #expect(bad == .tlsFailed)
        let garbage = try await outcome(
            peer,
            .init(
                authorityPEM: authority,
                identity: ClientIdentity(certificatePEM: Array("none".utf8), key: try KeyPair.generate(.ed25519))))
        #expect(garbage == .tlsFailed)
    }

    @Test(
        "mutual TLS works with a key that never leaves its token",
        .enabled(if: Installed.everything || SoftToken.isInstalled, "SoftHSM is not here: scripts/bootstrap.sh full"))
    func token() async throws {
        let scene = try await SoftToken.shared.value
        try await expectHandshakes(try KeyLocation(scene.release).open { Array(scene.token.pin.utf8) })
    }

    @Test(
        "mutual TLS works with a key that never leaves its TPM",
        .enabled(if: Installed.everything || SoftTPM.isInstalled, "swtpm is not here: scripts/bootstrap.sh full"))
    func tpm() async throws {
        let scene = try await SoftTPM.shared.value
        try await expectHandshakes(try KeyLocation(scene.persistent).open { nil })
        try await expectHandshakes(try KeyLocation(scene.wrapped).open { nil })
    }

    /// One client after another, and two at once.
    private func expectHandshakes(_ key: KeyPair) async throws {
        let peer = try await TLSPeer(serverName: "IP:127.0.0.1", requiresClient: true)
        let configuration = HTTPClientConfiguration(
            authorityPEM: try peer.bytes("ca.pem"), identity: try await peer.identity(key))
        for _ in 0..<3 {
            let good = try await outcome(peer, configuration)
            #expect(good == nil)
        }
        let origin = try peer.origin
        async let first = outcome(origin, configuration)
        async let second = outcome(origin, configuration)
        let both = try await [first, second]
        #expect(both == [nil, nil])
    }

    @Test("a peer that does not speak TLS is named")
    func plain() async throws {
        let server = try await ScriptedServer { _, _ in [.answer("200 OK")] }
        let origin = try Origin("https://127.0.0.1:\(server.port)")
        let client = try HTTPClient(origin: origin, configuration: .init(connectTimeout: .seconds(1)))
        let code = try await clientCode { _ = try await client.perform(HTTPCall(.get, "/"), limit: 0) }
        #expect(code == .tlsFailed || code == .timedOut || code == .connectionLost)
        await client.close()
        try await server.stop()
    }

    @Test("a peer that is not checked is read from, and never gets a credential")
    func anyPeer() async throws {
        let peer = try await TLSPeer(serverName: "DNS:elsewhere.example", requiresClient: false)
        var configuration = HTTPClientConfiguration()
        configuration.acceptsAnyPeer = true
        let read = try await outcome(peer, configuration)
        #expect(read == nil)
        configuration.bearerToken = "t"
        #expect(throws: ClientError.self) { try HTTPClient(origin: try peer.origin, configuration: configuration) }
        configuration.bearerToken = nil
        configuration.identity = try peer.identity()
        #expect(throws: ClientError.self) { try HTTPClient(origin: try peer.origin, configuration: configuration) }
    }
}
