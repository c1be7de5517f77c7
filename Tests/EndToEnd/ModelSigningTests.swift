import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// The ecosystem's own tools against what is kept beside our releases: model-signing, CycloneDX's validator, skopeo.
@Suite("Model signatures and bills of materials", .serialized)
struct ModelSigningTests {
    /// A Python with the tool; where this machine cannot have one the test ends with the reason.
    private func python() async throws -> String? {
        let made = try await run("/bin/bash", [Checkout.fixture("modelsigning/python-env.sh")])
        guard made.status == 0 else {
            print("skipped: model-signing is not available: \(made.errors)")
            #if compiler(>=6.3)
                try Test.cancel("model-signing is not available: \(made.errors)")
            #else
                return nil
            #endif
        }
        return made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The part of OCI's documents that other clients read too.
    private struct Document: Decodable {
        struct Entry: Decodable {
            let digest: Digest
            let artifactType: String?
            let annotations: [String: String]?
        }

        let layers: [Entry]?
        let manifests: [Entry]?
    }

    private struct Attached: Decodable {
        let type: String
        let subject: Digest
        let digest: Digest
        let isNew: Bool
    }

    /// A P-256 key in the forms that people have them.
    private func makeKey(_ site: Site, _ name: String) async throws -> (secret: String, open: String) {
        let (secret, open) = (site.folder.file(name + ".pem"), site.folder.file(name + ".pub.pem"))
        for arguments in [
            ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", secret],
            ["pkey", "-in", secret, "-pubout", "-out", open],
        ] {
            let made = try await run("/usr/bin/openssl", arguments)
            #expect(made.status == 0, "\(made.errors)")
        }
        return (secret, open)
    }

    /// Pulls every file of a manifest with curl, under the names that `oras pull` would give them.
    private func pull(_ manifest: Digest, _ site: Site, into folder: String) async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let text = try await run("/usr/bin/curl", site.curl("/v2/clinic/base/manifests/\(manifest)")).output
        for file in try JSONText.decode(Document.self, from: Array(text.utf8)).layers ?? [] {
            let name = try #require(file.annotations?["org.opencontainers.image.title"])
            let path = folder + "/" + name
            let got = try await run(
                "/usr/bin/curl", ["-f", "-o", path] + site.curl("/v2/clinic/base/blobs/\(file.digest)"))
            #expect(got.status == 0, "\(name): \(got.errors)")
        }
    }

    private func referrers(_ subject: Digest, _ site: Site, type: String? = nil) async throws -> [Document.Entry] {
        let query = type.map { "?artifactType=" + $0.replacing("+", with: "%2B") } ?? ""
        let text = try await run("/usr/bin/curl", site.curl("/v2/clinic/base/referrers/\(subject)\(query)")).output
        return try JSONText.decode(Document.self, from: Array(text.utf8)).manifests ?? []
    }

    @Test("what publish attaches is verified by the tool, found by other clients, and valid CycloneDX 1.6")
    func toTheTool() async throws {
        guard let python = try await python() else { return }
        try await Site.ready("tool") { site in
            let key = try await makeKey(site, "model")
            let card = site.folder.file("card.md")
            try """
            ---
            license: apache-2.0
            language: [en, de]
            datasets:
            - acme/messages
            pipeline_tag: text-classification
            ---
            # Tiny
            Names what a message is about.
            ## Intended use
            Sorting of messages.
            ## Limitations
            Knows eight words.
            """.write(toFile: card, atomically: true, encoding: .utf8)
            let arguments = [
                "publish", PublishTests.q4, "--variant", StoryTests.tiny("tiny-v1.Q8_0.gguf"), "--as",
                "clinic/base:1.0.0", "--card", card, "--probe", "hi", "--model-signature-key", key.secret, "--bom",
            ]
            try await site.martlet(arguments, expecting: 0)
            // Again: nothing new, though ECDSA would sign otherwise each time.
            try await site.martlet(arguments, expecting: 0)
            let info = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/base:1.0.0")
            #expect(info.variants.count == 2)
            for variant in info.variants {
                let type = "application/vnd.dev.sigstore.bundle.v0.3+json"
                let listed = try await referrers(variant.digest, site, type: type)
                #expect(listed.count == 1 && listed.allSatisfy { $0.artifactType == type })
                let beside = site.folder.file("beside-\(variant.digest.hex)")
                try await pull(try #require(listed.first).digest, site, into: beside)
                let folder = site.folder.file("model-\(variant.digest.hex)")
                try await pull(variant.digest, site, into: folder)
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 3)
                let verify = [
                    "-m", "model_signing", "verify", "key", folder, "--signature", beside + "/model.sig",
                    "--public_key", key.open,
                ]
                let verified = try await run(python, verify)
                #expect(verified.status == 0, "\(verified.output) \(verified.errors)")
                try "other".write(toFile: folder + "/README.md", atomically: true, encoding: .utf8)
                #expect(try await run(python, verify).status != 0)
            }
            let bills = try await referrers(info.indexDigest, site)
            #expect(bills.map(\.artifactType) == ["application/vnd.cyclonedx+json"])
            let folder = site.folder.file("bill")
            try await pull(try #require(bills.first).digest, site, into: folder)
            let bill = folder + "/bom.cdx.json"
            let valid = try await run(python, [Checkout.fixture("modelsigning/validate_bom.py"), bill])
            #expect(valid.status == 0, "\(valid.output) \(valid.errors)")
            let text = try String(contentsOfFile: bill, encoding: .utf8)
            for word in ["Apache-2.0", "acme/messages", "Knows eight words.", "\"llama\"", info.indexDigest.hex] {
                #expect(text.contains(word), "\(word)")
            }
        }
    }

    @Test("a device whose owner demands a signature takes one by the tool, and serves on where there is none")
    func fromTheTool() async throws {
        guard let python = try await python() else { return }
        try await Site.ready("ms") { site in
            let key = try await makeKey(site, "maker")
            let base64 = try String(contentsOfFile: key.open, encoding: .utf8)
                .split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()
            try await site.martlet("publish", PublishTests.q4, "--as", "clinic/base:1.0.0")
            let info = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/base:1.0.0")
            let folder = site.folder.file("made")
            try await pull(try #require(info.variants.first).digest, site, into: folder)
            let signature = site.folder.file("made.sig")
            let signed = try await run(
                python,
                [
                    "-m", "model_signing", "sign", "key", folder, "--private_key", key.secret, "--signature", signature,
                ])
            #expect(signed.status == 0, "\(signed.output) \(signed.errors)")
            let attached = try await site.json(
                [Attached].self, "attach", "clinic/base:1.0.0", "--model-signature", signature, "--bom")
            #expect(attached.count == 2 && attached.allSatisfy(\.isNew))
            // Over the files of another release it is refused where it is attached.
            try await site.martlet("publish", PublishTests.other, "--as", "clinic/base:2.0.0")
            let unfit = try await site.martlet(
                "attach", "clinic/base:2.0.0", "--model-signature", signature, expecting: 65)
            #expect(unfit.errors.contains("clinic/base:2.0.0"), "\(unfit.errors)")

            let device = try await site.startDevice(
                "a", policy: #", "requireModelSignature": {"clinic/base": ["\#(base64)"]}"#)
            try await site.martlet("fleets", "set", "all", "--selector", "")
            try await site.martlet("rollout", "start", "clinic/base:1.0.0", "--fleet", "all", "--slot", "s", "--wait")
            try await site.waitUntilServing("a", "s", "clinic/base:1.0.0")
            try await site.martlet("rollout", "start", "clinic/base:2.0.0", "--fleet", "all", "--slot", "s")
            try await eventually(within: 120, "the device names why it refuses") {
                let text = try await site.martlet("devices", "reports", "a").output
                return text.contains("modelSignatureMissing")
            }
            try await site.waitUntilServing("a", "s", "clinic/base:1.0.0")
            let digest = Digest.of(Array(try Data(contentsOf: URL(fileURLWithPath: PublishTests.other))))
            #expect(!StoryTests.files(under: device.data).contains { $0.contains(digest.hex) })
            #expect(try await device.process.stop() == 0)
            try await offline(site, key: base64)
        }
    }

    /// A bundle brings the signatures along: no network is needed to meet the owner's demand.
    private func offline(_ site: Site, key: String) async throws {
        let demand = #", "offlineInstall": "allowed", "requireModelSignature": {"clinic/*": ["\#(key)"]}"#
        let device = try await site.startDevice("b", labels: ["site=cellar"], policy: demand)
        let (signed, unsigned) = (site.folder.file("signed.tar"), site.folder.file("unsigned.tar"))
        try await site.martlet("export", "clinic/base:1.0.0", "--to", signed)
        try await site.martlet("export", "clinic/base:2.0.0", "--to", unsigned)
        try await site.stopRegistry()
        let refused = try await site.install("b", ["--from", unsigned, "--slot", "other"])
        #expect(refused.status != 0 && refused.errors.contains("model signature"), "\(refused)")
        let installed = try await site.install("b", ["--from", signed, "--slot", "s", "--wait", "120"])
        #expect(installed.status == 0, "\(installed) \(device.process.output.suffix(3000))")
        #expect(try await device.process.stop() == 0)
        try await site.startRegistry()
    }
}
