import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// What a publisher does, by the real command line against a real registry.
@Suite("Publishing", .serialized)
struct PublishTests {
    static let q4 = StoryTests.tiny("tiny-v1.Q4_0.gguf")
    static let other = StoryTests.tiny("tiny-v2.Q4_0.gguf")

    @Test("a publisher that was killed while it uploaded goes on where it stood")
    func killed() async throws {
        try await Site.ready("killed") { site in
            let megabytes = 192
            let model = site.folder.file("big.gguf")
            try BigModel.write(to: model, megabytes: megabytes)
            let size = try #require(
                try FileManager.default.attributesOfItem(atPath: model)[.size] as? Int)
            let publisher = try RunningProcess(
                Checkout.product("martlet"), ["publish", model, "--as", "clinic/big:1.0.0"],
                environment: site.operatorEnvironment, log: site.folder.file("publish.log"))
            try await eventually(within: 60, "a quarter is uploaded") {
                // The first line after 0 %, at 25 or some per cent more.
                publisher.output.contains("uploading big.gguf: 2") || !publisher.isRunning
            }
            #expect(publisher.isRunning, "it was through before it could be killed: \(publisher.output)")
            publisher.signal(SIGKILL)
            _ = try await publisher.exitCode(within: 10)
            let sent = try await site.metric("martlet_registry_blob_bytes_received_total")
            #expect(sent > 0 && sent < size, "\(sent)")
            #expect(try await site.json([ReleaseInfo].self, "releases", "list").isEmpty)

            let again = try await site.martlet("publish", model, "--as", "clinic/big:1.0.0")
            #expect(again.errors.contains("big.gguf: going on at"), "\(again.errors)")
            #expect(again.output.contains("Published"))
            let total = try await site.metric("martlet_registry_blob_bytes_received_total")
            #expect(total >= size && total < size + size / 2, "\(total) bytes came in for a file of \(size)")
            let digest = Digest.of(Array(try Data(contentsOf: URL(fileURLWithPath: model), options: .alwaysMapped)))
            #expect(StoryTests.files(under: site.registryData).contains { $0.hasSuffix(digest.hex) })
        }
    }

    @Test("the same again changes nothing; other content is refused with both digests, also after a yank")
    func immutable() async throws {
        try await Site.ready("immutable") { site in
            try await site.martlet("publish", Self.q4, "--as", "clinic/base:1.0.0")
            let first = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/base:1.0.0")
            let again = try await site.martlet("publish", Self.q4, "--as", "clinic/base:1.0.0")
            #expect(again.output.contains("Unchanged") && again.output.contains("0 B sent"), "\(again.output)")
            let before = try await site.metric("martlet_registry_blob_bytes_received_total")
            let refused = try await site.martlet("publish", Self.other, "--as", "clinic/base:1.0.0", expecting: 65)
            #expect(refused.errors.contains(first.indexDigest.text), "\(refused.errors)")
            #expect(refused.errors.components(separatedBy: "sha256:").count == 3, "\(refused.errors)")
            #expect(refused.errors.contains("new version"))
            #expect(try await site.metric("martlet_registry_blob_bytes_received_total") == before)
            #expect(try await site.json(ReleaseInfo.self, "releases", "show", "clinic/base:1.0.0") == first)

            try await site.martlet("yank", "clinic/base:1.0.0")
            let yanked = try await site.martlet("publish", Self.other, "--as", "clinic/base:1.0.0", expecting: 65)
            #expect(yanked.errors.contains("clinic/base"), "\(yanked.errors)")
            #expect(!yanked.errors.contains("again: another publisher was faster"), "\(yanked.errors)")
        }
    }

    @Test("publishers at the same time into the same bin lose nothing of each other")
    func together() async throws {
        try await Site.ready("together") { site in
            // The bin follows from the first seven bits of the path's hash; of 600 versions many share one.
            let paths = (0..<600).map { "clinic/base/1.0.\($0)" }
            let bins = Dictionary(grouping: paths) { path in
                UInt8(Digest.of(Array(path.utf8)).hex.prefix(2), radix: 16).map { $0 >> 1 }
            }
            let versions = try #require(bins.values.max { $0.count < $1.count }).prefix(4)
                .map { String($0.dropFirst("clinic/base/".count)) }
            #expect(versions.count >= 3)
            // The blob is there already, so that they meet at the signature.
            try await site.martlet("publish", Self.q4, "--as", "clinic/base:0.9.0")
            try await withThrowingTaskGroup(of: Finished.self) { group in
                for version in versions {
                    group.addTask { try await site.martlet("publish", Self.q4, "--as", "clinic/base:\(version)") }
                }
                for try await result in group { #expect(result.output.contains("Published"), "\(result)") }
            }
            let listed = try await site.json([ReleaseInfo].self, "releases", "list").map(\.path.version.text)
            #expect(Set(listed) == Set(versions + ["0.9.0"]))
            for version in versions {
                let again = try await site.martlet("publish", Self.q4, "--as", "clinic/base:\(version)")
                #expect(again.output.contains("Unchanged"), "\(again.output)")
            }
        }
    }

    @Test("a file that is no sound GGUF leaves nothing behind")
    func malformed() async throws {
        try await Site.ready("malformed") { site in
            let sound = try Data(contentsOf: URL(fileURLWithPath: Self.q4))
            var counts = sound
            counts.replaceSubrange(8..<16, with: [UInt8](repeating: 0xff, count: 8))
            let files = [
                "cut": sound.prefix(sound.count / 2), "counts": counts, "empty": Data(), "text": Data("hi".utf8),
            ]
            for (name, bytes) in files {
                let path = site.folder.file(name + ".gguf")
                try bytes.write(to: URL(fileURLWithPath: path))
                let refused = try await site.martlet("publish", path, "--as", "clinic/base:1.0.0", expecting: 65)
                #expect(refused.errors.contains(name + ".gguf"), "\(refused.errors)")
                // A sound variant beside it does not help.
                try await site.martlet(
                    "publish", Self.q4, "--variant", path, "--as", "clinic/base:1.0.0", expecting: 65)
            }
            #expect(try await site.json([ReleaseInfo].self, "releases", "list").isEmpty)
            #expect(try await site.metric("martlet_registry_blob_bytes_received_total") == 0)
            let tags = try await run("/usr/bin/curl", site.curl("/v2/clinic/base/tags/list"))
            #expect(tags.output.contains("NAME_UNKNOWN"), "\(tags.output)")
        }
    }

    @Test("all variants of a release are shown, aliases move, and a yanked release is offered no more")
    func life() async throws {
        try await Site.ready("life") { site in
            try await site.martlet(
                "publish", Self.q4, "--variant", StoryTests.tiny("tiny-v1.Q8_0.gguf"), "--as", "clinic/base:1.0.0")
            try await site.martlet("publish", Self.other, "--as", "clinic/base:2.0.0")
            let shown = try await site.martlet("releases", "show", "clinic/base:1.0.0").output
            #expect(shown.contains("Q4_0") && shown.contains("Q8_0") && shown.contains("for any"), "\(shown)")

            try await site.martlet("alias", "set", "clinic/base:1.0.0", "stable")
            try await site.martlet("alias", "set", "clinic/base:2.0.0", "stable")
            let stable = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/base@stable")
            #expect(stable.path.reference == "clinic/base:2.0.0" && stable.aliases.map(\.text) == ["stable"])
            try await site.martlet("alias", "set", "clinic/base:3.0.0", "stable", expecting: 65)

            let yank = try await site.martlet("yank", "clinic/base:2.0.0")
            #expect(yank.output.contains("yanked"))
            let listed = try await site.martlet("releases").output
            #expect(listed.contains { $0 == "\n" } && listed.contains("yanked"), "\(listed)")
            try await site.martlet("yank", "clinic/base:2.0.0", expecting: 65)
            _ = try await site.enrol("box")
            let refused = try await site.martlet(
                "rollout", "start", "clinic/base:2.0.0", "--selector", "", "--slot", "triage", expecting: 65)
            #expect(refused.errors.contains("yanked"), "\(refused.errors)")
            // The same signature again brings it back: only the publisher can do that.
            try await site.martlet("publish", Self.other, "--as", "clinic/base:2.0.0")
            let back = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/base:2.0.0")
            #expect(back.state == .published)
        }
    }

    @Test("a token of another namespace, of too small a role, or past its time is refused in clear words")
    func tokens() async throws {
        try await Site.ready("tokens") { site in
            let cases: [(name: String, arguments: [String], says: String)] = [
                ("legal", ["--role", "publisher", "--namespace", "legal"], "clinic"),
                ("watcher", ["--role", "viewer"], "publisher"),
                ("short", ["--role", "publisher", "--valid", "1s"], "expired"),
            ]
            for wrong in cases {
                let secret = try await site.martlet(["token", "create", wrong.name] + wrong.arguments, expecting: 0)
                    .output.trimmingCharacters(in: .newlines)
                if wrong.name == "short" {
                    try await eventually(within: 20, "the token's second is over") {
                        let result = try await run(
                            Checkout.product("martlet"), ["status", "--token", secret],
                            environment: site.operatorEnvironment)
                        return result.status == 77
                    }
                }
                let refused = try await site.martlet(
                    "publish", Self.q4, "--as", "clinic/base:1.0.0", "--token", secret, expecting: 77)
                #expect(refused.errors.contains(wrong.says), "\(wrong.name): \(refused.errors)")
                #expect(!refused.errors.contains(secret))
            }
            let listed = try await site.martlet("token", "list").output
            #expect(listed.contains("expired"), "\(listed)")
            #expect(try await site.json([ReleaseInfo].self, "releases", "list").isEmpty)
            #expect(try await site.metric("martlet_registry_blob_bytes_received_total") == 0)

            // A publisher of the namespace needs no more than that.
            let secret = try await site.martlet(
                "token", "create", "ci", "--role", "publisher", "--namespace", "clinic", "--valid", "1h"
            ).output.trimmingCharacters(in: .newlines)
            try await site.martlet("publish", Self.q4, "--as", "clinic/base:1.0.0", "--token", secret)
            try await site.martlet("yank", "clinic/base:1.0.0", "--token", secret)
        }
    }

    @Test("what ends soon is renewed by its publisher, and releases stay as they were")
    func renewal() async throws {
        try await Site.ready("renewal") { site in
            try await site.martlet("publish", Self.q4, "--as", "clinic/base:1.0.0")
            let nothing = try await site.martlet("trust", "renew")
            #expect(nothing.output.contains("nothing ends within 10d"))
            let keys = site.folder.file("operator/keys") + "/"
            let renewed = try await site.martlet("trust", "renew", "--within", "31d")
            #expect(renewed.output.contains("clinic-bin-7f"))
            try await site.martlet(
                "trust", "renew", "--root-key", keys + "root.pem", "--targets-key", keys + "targets.pem", "--within",
                "366d")
            let status = try await site.json(RegistryStatus.self, "status")
            #expect(status.metadataVersions["root"] == 2 && status.metadataVersions["targets"] == 2)
            #expect(status.metadataVersions["clinic"] == 2)
            let again = try await site.martlet("publish", Self.q4, "--as", "clinic/base:1.0.0")
            #expect(again.output.contains("Unchanged"))
            // A device that joins now starts from the first root and follows to the second.
            _ = try await site.enrol("box")
            try await site.martlet(
                "trust", "renew", "--targets-key", keys + "clinic.pem", "--within", "366d", expecting: 65)
        }
    }
}

/// Other people's OCI client against our registry.
@Suite("skopeo", .serialized, .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/skopeo")))
struct SkopeoTests {
    @Test("skopeo copies a release out of the registry, and into another, byte for byte")
    func copy() async throws {
        let source = try Site("skopeo-source")
        let goal = try Site("skopeo-goal")
        for site in [source, goal] {
            try await site.startRegistry()
            try await site.initializeTrust()
        }
        try await source.martlet(
            "publish", PublishTests.q4, "--variant", StoryTests.tiny("tiny-v1.Q8_0.gguf"), "--as", "clinic/base:1.0.0")
        let layout = source.folder.file("layout")
        try await skopeo([
            "copy", "--all", "--src-tls-verify=false", "--src-creds", "any:\(try source.adminToken)",
            source.image("clinic/base:1.0.0"), "oci:\(layout):1.0.0",
        ])
        try await skopeo([
            "copy", "--all", "--preserve-digests", "--dest-tls-verify=false", "--dest-creds",
            "any:\(try goal.adminToken)", "oci:\(layout):1.0.0", goal.image("clinic/base:1.0.0"),
        ])
        // The goal has every byte, so that publishing there sends none but signs.
        let before = try await goal.metric("martlet_registry_blob_bytes_received_total")
        try await goal.martlet(
            "publish", PublishTests.q4, "--variant", StoryTests.tiny("tiny-v1.Q8_0.gguf"), "--as", "clinic/base:1.0.0")
        #expect(try await goal.metric("martlet_registry_blob_bytes_received_total") == before)
        let digests = try await [source, goal].asyncMap {
            try await $0.json(ReleaseInfo.self, "releases", "show", "clinic/base:1.0.0").indexDigest
        }
        #expect(digests[0] == digests[1])
        for site in [source, goal] { try await site.stopRegistry() }
    }

    private func skopeo(_ arguments: [String]) async throws {
        let result = try await run("/usr/bin/skopeo", ["--insecure-policy"] + arguments)
        #expect(result.status == 0, "skopeo \(arguments[0]): \(result.output) \(result.errors)")
    }
}

extension Site {
    /// The sum of a counter over its labels.
    func metric(_ name: String) async throws -> Int {
        let text = try await run("/usr/bin/curl", ["-s", operatorAddress + "/metrics"]).output
        return text.split(separator: "\n").filter { $0.hasPrefix(name + "{") || $0.hasPrefix(name + " ") }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0) { $0 + Int($1) }
    }

    /// The first token's secret.
    var adminToken: String {
        get throws {
            try String(contentsOfFile: folder.file("admin.token"), encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }

    /// curl's arguments for a path of the operators' listener, with the first token.
    func curl(_ path: String) throws -> [String] {
        ["-s", "-H", "Authorization: Bearer \(try adminToken)", operatorAddress + path]
    }

    /// A release as skopeo names it.
    func image(_ reference: String) -> String { "docker://\(operatorAddress.dropFirst("http://".count))/\(reference)" }

    /// Enrols a device without starting its agent.
    func enrol(_ name: String) async throws -> Finished {
        let token = try await martlet("token", "join").output.trimmingCharacters(in: .newlines)
        let result = try await run(
            Checkout.product("martlet-agent"),
            ["enrol", "--join", token, "--name", name, "--data", folder.file("devices/" + name)])
        #expect(result.status == 0, "\(result)")
        return result
    }
}

extension Sequence {
    fileprivate func asyncMap<Value>(_ transform: (Element) async throws -> Value) async throws -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}
