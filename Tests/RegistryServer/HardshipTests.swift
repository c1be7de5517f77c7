import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import RegistryServer
import TestSupport
import Testing
import Trust

/// What happens to a registry that is not the registry's doing: a full disk, a client that goes away, a TLS listener.
@Suite struct HardshipTests {
    @Test(
        "A full disk refuses an upload in words, keeps nothing half-written, and the registry goes on",
        .enabled(if: SmallDisk.isPossible, "a small tmpfs can be mounted only by root outside a sandbox"))
    func diskFull() async throws {
        let disk = try SmallDisk(kibibytes: 16 << 10)
        let registry = try await RegistryFixture.start(dataFolder: disk.path + "/data")
        let large = [UInt8](repeating: 7, count: 24 << 20)
        let digest = Digest.of(large)
        let reply = try await registry.call(
            .post, "/v2/clinic/triage/blobs/uploads/?digest=\(digest)", body: .bytes(large))
        #expect(reply.status == 507)
        #expect(String(decoding: reply.body, as: UTF8.self).contains("Free space"))
        #expect(try await registry.call(.head, "/v2/clinic/triage/blobs/\(digest)").status == 404)
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path + "/data/uploads").isEmpty)
        let small: [UInt8] = [1, 2, 3]
        let fits = try await registry.call(
            .post, "/v2/clinic/triage/blobs/uploads/?digest=\(Digest.of(small))", body: .bytes(small))
        #expect(fits.status == 201)
        try await registry.stop()
    }

    @Test("A client that goes away in the middle of a chunk leaves what came, and the upload goes on from there")
    func brokenUpload() async throws {
        let registry = try await RegistryFixture.start()
        let begun = try await registry.call(.post, "/v2/clinic/triage/blobs/uploads/")
        let upload = try #require(begun.fields[.location])
        // 3 MiB are announced, 2 MiB are sent, then the connection breaks.
        let sent = 2 << 20
        try RawSocket.send(
            to: registry.operatorOrigin.port,
            head:
                "PATCH \(upload) HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(registry.adminToken)\r\n"
                + "Content-Length: \(3 << 20)\r\n\r\n",
            body: [UInt8](repeating: 9, count: sent))
        try await eventually(within: 20, "what came is kept") {
            let reply = try await registry.call(.get, upload)
            return reply.status == 204 && reply.fields[.range] == "0-\(sent - 1)"
        }
        let rest = [UInt8](repeating: 9, count: 1 << 20)
        _ = try await registry.call(.patch, upload, body: .bytes(rest))
        let digest = Digest.of([UInt8](repeating: 9, count: 3 << 20))
        #expect(try await registry.call(.put, upload + "?digest=\(digest)").status == 201)
        try await registry.stop()
    }

    @Test("Operators' TLS serves the certificate that it is given, and a wrong file is named")
    func operatorTLS() async throws {
        let folder = try TemporaryFolder("tls")
        let clock = TestClock()
        let authority = try CertificateAuthority.make(
            name: "office", key: try KeyPair.generate(.ecdsaP256), now: clock.now, valid: .seconds(86_400))
        let key = try KeyPair.generate(.ecdsaP256)
        let certificate = try authority.issueServer(
            key: key, hosts: ["127.0.0.1"], now: clock.now, valid: .seconds(3600))
        try Data(certificate).write(to: URL(fileURLWithPath: folder.file("cert.pem")))
        try Data(try key.pem()).write(to: URL(fileURLWithPath: folder.file("key.pem")))
        var configuration = RegistryConfiguration(
            dataFolder: folder.file("data"), operatorAddress: ListenAddress(host: "127.0.0.1", port: 0),
            deviceAddress: ListenAddress(host: "127.0.0.1", port: 0),
            operatorSecurity: .files(certificate: folder.file("cert.pem"), key: folder.file("key.pem")),
            clock: { clock.now }, announce: { _ in })
        let app = RegistryApp(configuration: configuration)
        let running = Task { try await app.run(handlingSignals: false) }
        let file = folder.file("data/run/addresses.json")
        try await eventually(within: 60, "it listens") { FileManager.default.fileExists(atPath: file) }
        let bound = try JSONText.decode([String: String].self, from: try Data(contentsOf: URL(fileURLWithPath: file)))
        let http = try HTTPClient(
            origin: try Origin("https://" + (bound["operator"] ?? "")),
            configuration: .init(authorityPEM: authority.certificatePEM))
        #expect(try await http.perform(HTTPCall(.get, "/healthz"), limit: 1000).status == 200)
        let stranger = try HTTPClient(origin: http.origin)
        await #expect(throws: ClientError.self) {
            _ = try await stranger.perform(HTTPCall(.get, "/healthz"), limit: 1000)
        }
        await app.stop()
        try await running.value
        configuration.operatorSecurity = .files(
            certificate: folder.file("cert.pem"), key: folder.file("nothing.pem"))
        let wrong = configuration
        let error = await #expect(throws: ServerError.self) {
            try await RegistryApp(configuration: wrong).run(handlingSignals: false)
        }
        #expect(error?.code == "badConfiguration" && error?.message.contains("nothing.pem") == true)
    }

    @Test("A large blob streams both ways in bounded memory")
    func largeBlob() async throws {
        let registry = try await RegistryFixture.start()
        let size = 64 << 20
        let path = registry.folder.file("large")
        try Data(repeating: 5, count: size).write(to: URL(fileURLWithPath: path))
        let digest = Digest.of([UInt8](repeating: 5, count: size))
        let repository = try RepositoryName("clinic/triage")
        let outcome = try await registry.oci.upload(
            .file(path: path), digest: digest, size: ByteCount(size), to: repository)
        #expect(outcome == .uploaded(resumedAt: 0))
        let received = try await registry.oci.download(digest, size: ByteCount(size), from: repository) { _ in }
        #expect(received == Int64(size))
        let metrics = String(decoding: try await registry.call(.get, "/metrics").body, as: UTF8.self)
        #expect(metrics.contains("martlet_registry_blob_bytes_sent_total{listener=\"operator\"} \(size)"))
        try await registry.stop()
    }
}
