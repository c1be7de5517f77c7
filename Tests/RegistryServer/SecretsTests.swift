import Foundation
import HTTPTypes
import Logging
import MartletAPI
import MartletTypes
import RegistryClient
import RegistryServer
import Synchronization
import TestSupport
import Testing
import Trust

/// Keeps all that is logged, at every level.
final class LogBook: Sendable {
    private let lines = Mutex<[String]>([])

    var text: String { lines.withLock { $0.joined(separator: "\n") } }

    func logger() -> Logger {
        var logger = Logger(label: "test") { _ in Handler(book: self) }
        logger.logLevel = .trace
        return logger
    }

    private struct Handler: LogHandler {
        let book: LogBook
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }
            book.lines.withLock { $0.append("\(event.message) \(all)") }
        }
    }
}

/// No secret stands anywhere but where it belongs.
@Suite struct SecretsTests {
    /// What a secret looks like in a text: PEM by its first line of base64.
    private static func needle(_ secret: String) -> String {
        guard secret.contains("-----BEGIN") else { return secret }
        return String(secret.split(separator: "\n").dropFirst().first ?? "")
    }

    @Test("Of every secret of a whole story nothing is in the log, the audit log, or the database")
    func story() async throws {
        let book = LogBook()
        let registry = try await RegistryFixture.start { $0.logger = book.logger() }
        try await registry.initializeTrust()
        let admin = registry.admin
        var secrets: [String: String] = ["admin token": registry.adminToken, "wrong token": "martlet_wrong4711"]
        let token = try #require(try await admin.createToken(TokenRequest(name: "ann", role: .publisher)).secret)
        secrets["token"] = token
        let join = try #require(try await admin.createJoinToken(JoinTokenRequest()).token)
        secrets["join token"] = join
        secrets["join secret"] = try JoinToken(parsing: join).secret
        let unused = try #require(try await admin.createJoinToken(JoinTokenRequest()).token)
        secrets["unused join token"] = try JoinToken(parsing: unused).secret
        let device = try await SimulatedDevice("box-1", at: registry, token: try JoinToken(parsing: join))
        secrets["device key"] = String(decoding: try device.key.pem(), as: UTF8.self)

        // Ways that fail are logged most.
        for wrong in ["martlet_wrong4711", ""] {
            _ = try await registry.call(.get, "/api/v1/status", token: wrong)
        }
        _ = try await RawHTTP.post(registry.operatorOrigin, "/login", "token=martlet_wrong4711")
        let login = try await RawHTTP.post(registry.operatorOrigin, "/login", "token=\(token)")
        let cookie = try #require(login.firstMatch(of: /martlet_session=([0-9a-f]+)/)).output.1
        secrets["session"] = String(cookie)
        var fields: HTTPFields = [:]
        fields[.cookie] = "martlet_session=\(cookie)"
        _ = try await registry.client(token: nil).perform(HTTPCall(.get, "/devices", fields: fields), limit: 1 << 22)
        await expectProblem(403, "joinTokenRefused") {
            _ = try await SimulatedDevice("box-2", at: registry, token: try JoinToken(parsing: join))
        }
        _ = try await registry.call(
            .post, "/api/v1/tokens", fields: [.contentType: "application/json"],
            body: .bytes(Array(#"{"name": "\#(token)", "role": 7}"#.utf8)))

        let authority = Array(try await admin.onlineKeys().authority.utf8)
        let http = try HTTPClient(origin: registry.deviceOrigin, configuration: .init(authorityPEM: authority))
        let nonce = try await DeviceClient(http: http).renewalNonce().nonce
        secrets["nonce"] = nonce
        _ = try await DeviceClient(http: http).renew(
            RenewRequest(
                certificate: device.certificate, nonce: nonce,
                signature: Hex.encode(try device.key.sign(try #require(Hex.decode(nonce)))),
                certificateRequest: SimulatedDevice.pem(
                    try CertificateRequest.make(key: device.key, commonName: "box-1")), journal: device.journal))
        _ = try await device.poll()
        let keys = registry.folder.file("data/keys")
        for name in try FileManager.default.contentsOfDirectory(atPath: keys) where name.hasSuffix(".pem") {
            secrets[name] = try String(contentsOfFile: keys + "/" + name, encoding: .utf8)
        }
        #expect(secrets.count > 12)
        let audit = String(decoding: try JSONText.encode(try await admin.audit()), as: UTF8.self)
        try await registry.stop()

        let log = book.text
        #expect(log.contains("device enrolled") && log.contains("/device/v1/enrol"), "the log has the story")
        var places = ["log": Array(log.utf8), "audit": Array(audit.utf8)]
        let data = registry.folder.file("data")
        for name in try FileManager.default.contentsOfDirectory(atPath: data) where name.hasPrefix("registry.sqlite") {
            places[name] = Array(try Data(contentsOf: URL(fileURLWithPath: data + "/" + name)))
        }
        #expect(places.count > 2)
        for (what, secret) in secrets {
            let needle = Data(Self.needle(secret).utf8)
            for (place, bytes) in places {
                #expect(Data(bytes).range(of: needle) == nil, "the \(what) stands in the \(place)")
            }
        }
    }
}
