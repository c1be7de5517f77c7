import BundleFormat
import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing

@Suite struct OCITests {
    private static let repository = "clinic/triage"

    private func digestField(_ reply: HTTPReply) throws -> String? {
        reply.fields[try #require(HTTPField.Name("Docker-Content-Digest"))]
    }

    private func code(_ reply: HTTPReply) throws -> String {
        try JSONValue(parsing: reply.body)["errors"]?.array?.first?["code"]?.string ?? "none"
    }

    private func begin(_ registry: RegistryFixture) async throws -> String {
        let reply = try await registry.call(.post, "/v2/\(Self.repository)/blobs/uploads/")
        #expect(reply.status == 202)
        return try #require(reply.fields[.location])
    }

    @Test("A blob goes up in one request, in chunks, or by mounting, and comes down with its digest")
    func uploads() async throws {
        let registry = try await RegistryFixture.start()
        let bytes = Array("some weights".utf8)
        let digest = Digest.of(bytes)
        let monolithic = try await registry.call(
            .post, "/v2/\(Self.repository)/blobs/uploads/?digest=\(digest)", body: .bytes(bytes))
        #expect(monolithic.status == 201 && monolithic.fields[.location] == "/v2/\(Self.repository)/blobs/\(digest)")
        #expect(try digestField(monolithic) == digest.text)

        let upload = try await begin(registry)
        let chunks: [(String, [UInt8])] = [("0-2", Array(bytes[0..<3])), ("3-11", Array(bytes[3...]))]
        for (range, chunk) in chunks {
            let reply = try await registry.call(.patch, upload, fields: [.contentRange: range], body: .bytes(chunk))
            #expect(reply.status == 202 && reply.fields[.range] == "0-" + range.split(separator: "-")[1])
        }
        #expect(try await registry.call(.get, upload).fields[.range] == "0-11")
        #expect(try await registry.call(.put, upload + "?digest=\(digest)").status == 201)
        #expect(try await registry.call(.get, upload).status == 404)

        let mount = "/v2/ward/other/blobs/uploads/?mount=\(digest)&from=\(Self.repository)"
        #expect(try await registry.call(.post, mount).status == 201)
        #expect(try await registry.call(.get, "/v2/ward/other/blobs/\(digest)").body == bytes)
        let unknown = Digest.of([9])
        #expect(
            try await registry.call(.post, "/v2/ward/other/blobs/uploads/?mount=\(unknown)&from=\(Self.repository)")
                .status == 202)
        try await registry.stop()
    }

    @Test("An upload with the wrong digest is refused and leaves nothing behind")
    func wrongDigest() async throws {
        let registry = try await RegistryFixture.start()
        let promised = Digest.of(Array("promised".utf8))
        let upload = try await begin(registry)
        let reply = try await registry.call(.put, upload + "?digest=\(promised)", body: .bytes(Array("sent".utf8)))
        #expect(try reply.status == 400 && code(reply) == "DIGEST_INVALID")
        #expect(try await registry.call(.head, "/v2/\(Self.repository)/blobs/\(promised)").status == 404)
        #expect(try FileManager.default.contentsOfDirectory(atPath: registry.folder.file("data/uploads")).isEmpty)
        for target in ["?digest=md5:00", "", "?digest=sha256:../../keys"] {
            let upload = try await begin(registry)
            #expect(try code(try await registry.call(.put, upload + target)) == "DIGEST_INVALID", "\(target)")
        }
        try await registry.stop()
    }

    @Test("A killed upload goes on where it stood, also in another process")
    func resumes() async throws {
        let first = try await RegistryFixture.start()
        let bytes = [UInt8]((0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        let upload = try await begin(first)
        _ = try await first.call(
            .patch, upload, fields: [.contentRange: "0-99999"], body: .bytes(Array(bytes[..<100_000])))
        try await first.stop()
        let second = try await RegistryFixture.start(on: first.folder)
        #expect(try await second.call(.get, upload).fields[.range] == "0-99999")
        let early = try await second.call(.patch, upload, fields: [.contentRange: "5-6"], body: .bytes([1, 2]))
        #expect(early.status == 416 && early.fields[.range] == "0-99999")
        _ = try await second.call(.patch, upload, body: .bytes(Array(bytes[100_000...])))
        let digest = Digest.of(bytes)
        #expect(try await second.call(.put, upload + "?digest=\(digest)").status == 201)
        #expect(try await second.call(.get, "/v2/\(Self.repository)/blobs/\(digest)").body == bytes)
        try await second.stop()
    }

    @Test(
        "A blob is read whole, in part, or not at all",
        arguments: [
            (nil, 200, 0..<1000, nil), ("bytes=0-99", 206, 0..<100, "bytes 0-99/1000"),
            ("bytes=-10", 206, 990..<1000, "bytes 990-999/1000"),
            ("bytes=990-2000", 206, 990..<1000, "bytes 990-999/1000"),
            ("bytes=500-0", 416, 0..<0, "bytes */1000"), ("bytes=1000-", 416, 0..<0, "bytes */1000"),
            ("bytes=0-1,4-5", 200, 0..<1000, nil), ("bytes=x", 200, 0..<1000, nil),
        ] as [(String?, Int, Range<Int>, String?)])
    func ranges(header: String?, status: Int, range: Range<Int>, contentRange: String?) async throws {
        let registry = try await RegistryFixture.start()
        let bytes = [UInt8]((0..<1000).map { UInt8(truncatingIfNeeded: $0) })
        let digest = Digest.of(bytes)
        let target = "/v2/\(Self.repository)/blobs/\(digest)"
        _ = try await registry.call(
            .post, "/v2/\(Self.repository)/blobs/uploads/?digest=\(digest)", body: .bytes(bytes))
        var fields: HTTPFields = [:]
        fields[.range] = header
        let reply = try await registry.call(.get, target, fields: fields)
        #expect(reply.status == status && reply.fields[.contentRange] == contentRange)
        if status < 300 { #expect(reply.body == Array(bytes[range])) }
        let head = try await registry.call(.head, target, fields: fields)
        #expect(head.status == status && head.body.isEmpty)
        if status < 300 { #expect(head.fields[.contentLength] == String(range.count)) }
        try await registry.stop()
    }

    @Test("Conditional requests save the bytes")
    func conditions() async throws {
        let registry = try await RegistryFixture.start()
        let bytes: [UInt8] = [1, 2, 3]
        let digest = Digest.of(bytes)
        let target = "/v2/\(Self.repository)/blobs/\(digest)"
        _ = try await registry.call(
            .post, "/v2/\(Self.repository)/blobs/uploads/?digest=\(digest)", body: .bytes(bytes))
        let tag = try #require(try await registry.call(.get, target).fields[.eTag])
        #expect(try await registry.call(.get, target, fields: [.ifNoneMatch: tag]).status == 304)
        #expect(try await registry.call(.get, target, fields: [.ifMatch: "\"other\""]).status == 412)
        #expect(try await registry.call(.get, target, fields: [.ifRange: tag, .range: "bytes=0-0"]).status == 206)
        #expect(
            try await registry.call(.get, target, fields: [.ifRange: "\"other\"", .range: "bytes=0-0"]).status == 200)
        try await registry.stop()
    }

    @Test("Manifests are kept byte for byte under digest and tag; wrong ones are refused by the specification's code")
    func manifests() async throws {
        let registry = try await RegistryFixture.start()
        let release = try await registry.push("clinic/triage/1.0.0", weights: [1, 2, 3])
        let byTag = try await registry.call(.get, "/v2/\(Self.repository)/manifests/1.0.0")
        #expect(byTag.status == 200 && Digest.of(byTag.body) == release.index)
        #expect(byTag.fields[.contentType] == MediaType.index)
        let head = try await registry.call(.head, "/v2/\(Self.repository)/manifests/\(release.index)")
        #expect(head.status == 200 && head.fields[.contentLength] == String(release.length))
        let list = try await registry.call(.get, "/v2/\(Self.repository)/tags/list?n=1")
        #expect(String(decoding: list.body, as: UTF8.self) == #"{"name":"clinic/triage","tags":["1.0.0"]}"#)
        let manifestType: HTTPFields = [.contentType: MediaType.manifest]
        let cases: [(String, [UInt8], Int, String)] = [
            ("bad", Array("{}".utf8), 400, "MANIFEST_INVALID"),
            ("bad", Array("nonsense".utf8), 400, "MANIFEST_INVALID"),
            (Digest.of([1]).text, byTag.body, 400, "DIGEST_INVALID"),
            ("bad", try Self.manifestOfMissing(), 404, "MANIFEST_BLOB_UNKNOWN"),
            ("bad", [UInt8](repeating: 32, count: Limits.manifestBytes + 1), 413, "SIZE_INVALID"),
        ]
        for (reference, bytes, status, expected) in cases {
            let reply = try await registry.call(
                .put, "/v2/\(Self.repository)/manifests/\(reference)", fields: manifestType, body: .bytes(bytes))
            #expect(try reply.status == status && code(reply) == expected)
        }
        #expect(try code(try await registry.call(.get, "/v2/\(Self.repository)/manifests/none")) == "MANIFEST_UNKNOWN")
        #expect(try code(try await registry.call(.get, "/v2/clinic/none/tags/list")) == "NAME_UNKNOWN")
        #expect(try await registry.call(.get, "/v2/\(Self.repository)/referrers/\(release.index)").status == 200)
        try await registry.stop()
    }

    private static func manifestOfMissing() throws -> [UInt8] {
        try JSONText.encode(
            ImageManifest(
                config: Descriptor(mediaType: MediaType.modelConfig, of: [7]),
                layers: [Descriptor(mediaType: MediaType.weights, of: [8])]))
    }

    @Test("A publisher pushes into its namespace only, a viewer nowhere, and nobody without a token")
    func permissions() async throws {
        let registry = try await RegistryFixture.start()
        let publisher = try await registry.admin.createToken(
            TokenRequest(name: "p", role: .publisher, namespaces: ["clinic"]))
        let viewer = try await registry.admin.createToken(TokenRequest(name: "v", role: .viewer))
        func post(_ repository: String, _ token: String?) async throws -> Int {
            try await registry.call(.post, "/v2/\(repository)/blobs/uploads/", token: token).status
        }
        #expect(try await post("clinic/a", publisher.secret) == 202)
        #expect(try await post("ward/a", publisher.secret) == 403)
        #expect(try await post("clinic/a", viewer.secret) == 403)
        #expect(try await post("clinic/a", "martlet_wrong") == 401)
        let anonymous = try registry.client(token: nil)
        let reply = try await anonymous.perform(HTTPCall(.get, "/v2/"), limit: 1000)
        #expect(reply.status == 401 && reply.fields[.wwwAuthenticate]?.hasPrefix("Basic") == true)
        let basic = Data("anyone:\(publisher.secret ?? "")".utf8).base64EncodedString()
        let again = try await anonymous.perform(
            HTTPCall(.get, "/v2/", fields: [.authorization: "Basic " + basic]), limit: 1000)
        #expect(again.status == 200)
        try await registry.stop()
    }

    @Test(
        "skopeo pushes and pulls by our registry",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/skopeo")))
    func skopeo() async throws {
        let registry = try await RegistryFixture.start()
        let folder = try TemporaryFolder("skopeo")
        // A layout with one image of one layer, as `skopeo` itself would write it.
        _ = try await registry.push("clinic/triage/1.0.0", weights: [1, 2, 3])
        let remote = "docker://\(registry.operatorOrigin.host):\(registry.operatorOrigin.port)"
        let credentials = ["--src-tls-verify=false", "--src-creds", "martlet:\(registry.adminToken)"]
        let pull = try await run(
            "/usr/bin/skopeo",
            ["copy", "--all", "--insecure-policy"] + credentials
                + ["\(remote)/clinic/triage:1.0.0", "oci:\(folder.path):x"])
        #expect(pull.status == 0, "\(pull.errors)")
        let push = try await run(
            "/usr/bin/skopeo",
            [
                "copy", "--all", "--insecure-policy", "--dest-tls-verify=false", "--dest-creds",
                "martlet:\(registry.adminToken)", "oci:\(folder.path):x", "\(remote)/ward/copy:1.0.0",
            ])
        #expect(push.status == 0, "\(push.errors)")
        let tags = try await registry.call(.get, "/v2/ward/copy/tags/list")
        #expect(String(decoding: tags.body, as: UTF8.self).contains("1.0.0"))
        try await registry.stop()
    }
}
