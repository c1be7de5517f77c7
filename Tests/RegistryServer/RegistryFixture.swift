import BundleFormat
import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import RegistryServer
import Synchronization
import TUF
import TestSupport
import Testing
import Trust

/// A clock that tests move; it goes on from the real time otherwise, because TLS looks at the real one.
final class TestClock: Sendable {
    private let offset = Mutex<Duration>(.zero)

    var now: Timestamp {
        Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) + offset.withLock { $0 }
    }

    func advance(by duration: Duration) { offset.withLock { $0 += duration } }
}

/// A real registry on loopback over a scratch folder, and an operator who is logged in.
final class RegistryFixture: Sendable {
    let folder: TemporaryFolder
    /// The data folder.
    let data: String
    let clock: TestClock
    let app: RegistryApp
    let lines: Lines
    private let running: Task<Void, any Error>
    let operatorOrigin: Origin
    let deviceOrigin: Origin
    let adminToken: String
    let admin: OperatorClient
    let offlineKeys: [String: KeyPair]

    /// What the registry announced.
    final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    /// Starts a registry on `folder` (a fresh one where nil) and waits until it listens.
    static func start(
        on folder: TemporaryFolder? = nil, dataFolder: String? = nil, clock: TestClock = TestClock(),
        adjusting: (inout RegistryConfiguration) -> Void = { _ in }
    ) async throws -> RegistryFixture {
        let folder = try folder ?? TemporaryFolder("registry")
        let lines = Lines()
        let data = dataFolder ?? folder.file("data")
        var configuration = RegistryConfiguration(
            dataFolder: data, operatorAddress: ListenAddress(host: "127.0.0.1", port: 0),
            deviceAddress: ListenAddress(host: "127.0.0.1", port: 0), adminTokenFile: folder.file("admin.token"),
            clock: { clock.now },
            announce: { lines.add($0) })
        adjusting(&configuration)
        let app = RegistryApp(configuration: configuration)
        let running = Task { try await app.run(handlingSignals: false) }
        let addresses = data + "/run/addresses.json"
        let failure = Mutex<(any Error)?>(nil)
        let watch = Task {
            do { try await running.value } catch { failure.withLock { $0 = error } }
        }
        try await eventually(within: 30, "the registry listens") {
            if let error = failure.withLock({ $0 }) { throw error }
            return FileManager.default.fileExists(atPath: addresses)
        }
        _ = watch
        let bound = try JSONText.decode(
            [String: String].self, from: try Data(contentsOf: URL(fileURLWithPath: addresses)))
        return try RegistryFixture(folder, data, clock, app, lines, running, bound)
    }

    private init(
        _ folder: TemporaryFolder, _ dataFolder: String, _ clock: TestClock, _ app: RegistryApp, _ lines: Lines,
        _ running: Task<Void, any Error>, _ bound: [String: String]
    ) throws {
        self.folder = folder
        data = dataFolder
        self.clock = clock
        self.app = app
        self.lines = lines
        self.running = running
        let isPlain = lines.all.contains { $0.hasPrefix("Operators: http://") }
        let port = (bound["operator"] ?? "").split(separator: ":").last ?? ""
        operatorOrigin = try Origin((isPlain ? "http" : "https") + "://127.0.0.1:\(port)")
        deviceOrigin = try Origin("https://" + (bound["device"] ?? ""))
        adminToken = try String(contentsOfFile: folder.file("admin.token"), encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let authority = FileManager.default.contents(atPath: dataFolder + "/keys/authority.crt")
        let ownAuthority = isPlain ? nil : authority.map { Array($0) }
        admin = OperatorClient(
            http: try HTTPClient(
                origin: operatorOrigin, configuration: .init(authorityPEM: ownAuthority, bearerToken: adminToken)))
        var keys: [String: KeyPair] = [:]
        for name in ["root", "targets", "clinic"] {
            let file = folder.file(name + ".pem")
            if let pem = FileManager.default.contents(atPath: file) {
                keys[name] = try KeyPair(pem: Array(pem))
            } else {
                let key = try KeyPair.generate(.ed25519)
                try Data(try key.pem()).write(to: URL(fileURLWithPath: file))
                keys[name] = key
            }
        }
        offlineKeys = keys
    }

    deinit { running.cancel() }

    /// Ends the registry as SIGTERM does.
    func stop() async throws {
        await app.stop()
        try await running.value
        await admin.api.http.close()
    }

    /// A client with another token, or with none.
    func client(token: String?) throws -> HTTPClient {
        try HTTPClient(origin: operatorOrigin, configuration: .init(bearerToken: token))
    }

    func operatorClient(
        role: Role, namespaces: [String]? = nil, validSeconds: Int64? = nil
    ) async throws -> OperatorClient {
        let name = "t\(UInt32.random(in: 0...UInt32.max))"
        let info = try await admin.createToken(
            TokenRequest(name: name, role: role, namespaces: namespaces, validSeconds: validSeconds))
        return OperatorClient(http: try client(token: info.secret))
    }

    func key(_ name: String) throws -> KeyPair { try #require(offlineKeys[name]) }

    /// What `martlet trust init` sends: root and targets of fresh offline keys, the namespace `clinic`.
    func trustInitialization() async throws -> TrustInitialization {
        let online = try await admin.onlineKeys()
        let now = clock.now
        let director = try PublicKey(json: online.director)
        let root = try RootMetadata.new(
            expires: now + MetadataLifetime.root,
            roles: [
                .root: ([try key("root").publicKey], 1), .targets: ([try key("targets").publicKey], 1),
                .snapshot: ([try PublicKey(json: online.snapshot)], 1),
                .timestamp: ([try PublicKey(json: online.timestamp)], 1),
            ])
        let document = try TrustDocument(
            directorKeys: [director.keyID: director], certificateAuthorities: [online.authority],
            addresses: online.addresses
        ).encoded()
        let layout = try NamespaceLayout("clinic")
        let publisher = try key("clinic")
        let targets = try layout.delegated(
            in: TargetsMetadata(
                expires: now + MetadataLifetime.targets,
                targets: [TrustDocument.path: TargetFile(length: Int64(document.count), digest: Digest.of(document))]),
            keys: [publisher.publicKey], threshold: 1)
        let delegated = try layout.make(keys: [publisher.publicKey], threshold: 1, signers: [publisher], now: now)
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        return TrustInitialization(
            root: text(try SignedEnvelope.sign(root.json, by: [try key("root")]).encoded()),
            targets: text(try SignedEnvelope.sign(targets.json, by: [try key("targets")]).encoded()),
            delegated: delegated.mapValues { text($0.encoded()) }, trustDocument: text(document))
    }

    func initializeTrust() async throws { try await admin.initializeTrust(try await trustInitialization()) }

    /// Calls without the typed client, whatever the status.
    func call(
        _ method: HTTPRequest.Method, _ target: String, token: String? = nil, fields: HTTPFields = [:],
        body: HTTPCall.Body = .none
    ) async throws -> HTTPReply {
        let http = try client(token: token ?? adminToken)
        let reply = try await http.perform(HTTPCall(method, target, fields: fields, body: body), limit: 1 << 24)
        await http.close()
        return reply
    }
}

/// Expects a problem document with a status and code.
func expectProblem(
    _ status: Int, _ code: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async {
    do {
        try await body()
        Issue.record("expected \(status) \(code), but it succeeded", sourceLocation: sourceLocation)
    } catch let error as ClientError {
        #expect(error.status == status && error.code == code, "\(error)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("expected \(status) \(code), got \(error)", sourceLocation: sourceLocation)
    }
}
