import BundleFormat
import Foundation
import MartletTypes
import Publishing
import RegistryClient
import Synchronization
import TUF
import TestSupport
import Testing
import Trust

@Suite("Publisher")
struct PublisherTests {
    @Test("a model is published whole: blobs, manifests, index, signature, tag")
    func model() async throws {
        try await withFixture { fixture in
            var request = try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q8_0.gguf", "tiny-v1.Q4_0.gguf"])
            request.card = try fixture.write("card.md", "# Tiny\n")
            request.evaluation = try fixture.write("eval.jsonl", #"{"input":"a","expected":"b"}"# + "\n")
            request.threshold = EvaluationThreshold(minAccuracy: 0.5)
            request.probes = [Probe(prompt: "hello")]
            let result = try await fixture.publish(request)
            #expect(result.outcome == .published)
            #expect(result.variants.map(\.quantization) == ["Q4_0", "Q8_0"])

            let tuf = try fixture.context().tuf
            try await tuf.refresh(now: PublishingFixture.now)
            let target = try #require(try await tuf.target("clinic/base/1.0.0"))
            #expect(target.names(result.indexDigest, length: target.length))
            let oci = try fixture.context().oci
            let repository = try RepositoryName("clinic/base")
            let index = try ReleaseIndex(
                parsing: try await oci.manifest(result.indexDigest, in: repository), digest: result.indexDigest,
                length: ByteCount(target.length))
            let tagged = try await oci.manifestDigest("1.0.0", in: repository)
            #expect(tagged == result.indexDigest)
            for entry in index.variants {
                let bytes = try await oci.manifest(entry.descriptor.digest, in: repository)
                let manifest = try VariantManifest(parsing: bytes, matching: entry.descriptor)
                #expect(manifest.threshold?.minAccuracy == 0.5)
                #expect(manifest.weights.map(\.fileName).first?.hasPrefix("tiny-v1.Q") == true)
                for blob in manifest.blobs {
                    let size = try await oci.blobSize(blob.digest, in: repository)
                    #expect(size == blob.size)
                }
                #expect(entry.minMemory > ByteCount(1_000_000))
            }
        }
    }

    @Test("the same content again is a no-op, whatever the order of its files")
    func unchanged() async throws {
        try await withFixture { fixture in
            let files = ["tiny-v1.Q8_0.gguf", "tiny-v1.Q4_0.gguf"]
            let first = try await fixture.publish(try fixture.request("clinic/base:1.0.0", files))
            let puts = fixture.registry.state.withLock { $0.log.filter { $0.hasPrefix("P") }.count }
            let again = try await fixture.publish(try fixture.request("clinic/base:1.0.0", files.reversed()))
            #expect(again.outcome == .unchanged && again.indexDigest == first.indexDigest && again.bytesSent == 0)
            #expect(fixture.registry.state.withLock { $0.log.filter { $0.hasPrefix("P") }.count } == puts)
        }
    }

    @Test("other content under a published version is refused with both digests")
    func immutable() async throws {
        try await withFixture { fixture in
            let first = try await fixture.publish(try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"]))
            let before = fixture.registry.state.withLock { $0.bytesReceived }
            do {
                _ = try await fixture.publish(try fixture.request("clinic/base:1.0.0", ["tiny-v2.Q4_0.gguf"]))
                Issue.record("other content was published under the same version")
            } catch let error as PublishError {
                #expect(error.reason == .versionExists)
                #expect(error.message.contains(first.indexDigest.text))
                #expect(error.message.components(separatedBy: "sha256:").count == 3)
            }
            #expect(fixture.registry.state.withLock { $0.bytesReceived } == before)
        }
    }

    @Test("an adapter lists its base's weights by digest and sends none of them")
    func adapter() async throws {
        try await withFixture { fixture in
            let base = try await fixture.publish(
                try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q8_0.gguf", "tiny-v1.Q4_0.gguf"]))
            let before = fixture.registry.state.withLock { $0.bytesReceived }
            let result = try await fixture.publish(
                try fixture.request("clinic/triage:1.0.0", ["tiny-lora-v1.gguf"], adapterOf: "clinic/base:1.0.0"))
            #expect(result.kind == .adapter)
            #expect(result.variants.map(\.quantization) == ["Q4_0", "Q8_0"])
            #expect(fixture.registry.state.withLock { $0.bytesReceived } - before < 200_000)

            let oci = try fixture.context().oci
            let repository = try RepositoryName("clinic/triage")
            let index = try ReleaseIndex(parsing: try await oci.manifest(result.indexDigest, in: repository))
            #expect(index.base?.indexDigest == base.indexDigest)
            for entry in index.variants {
                let manifest = try VariantManifest(
                    parsing: try await oci.manifest(entry.descriptor.digest, in: repository), matching: entry.descriptor
                )
                #expect(manifest.weights.map(\.role) == [.base, .adapter])
                #expect(manifest.adapterShape?.isAdapter == true && manifest.shape.isAdapter == false)
                for blob in manifest.blobs {
                    let size = try await oci.blobSize(blob.digest, in: repository)
                    #expect(size == blob.size)
                }
            }
        }
    }

    @Test(
        "adapters and bases that do not go together are refused",
        arguments: [
            ("tiny-lora-v1.gguf", nil, "adapterMismatch"),
            ("tiny-v1.Q4_0.gguf", "clinic/base:1.0.0", "adapterMismatch"),
            ("tiny-lora-v1.gguf", "clinic/base:9.0.0", "unknownRelease"),
            ("tiny-lora-v1.gguf", "clinic/lora:1.0.0", "adapterMismatch"),
            ("absent.gguf", nil, "fileUnreadable"),
        ])
    func adapterRules(file: String, base: String?, expected: String) async throws {
        try await withFixture { fixture in
            _ = try await fixture.publish(try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"]))
            _ = try await fixture.publish(
                try fixture.request("clinic/lora:1.0.0", ["tiny-lora-v2.gguf"], adapterOf: "clinic/base:1.0.0"))
            let found = await code {
                _ = try await fixture.publish(try fixture.request("clinic/new:1.0.0", [file], adapterOf: base))
            }
            #expect(found == expected)
        }
    }

    @Test(
        "wrong side files are refused before anything is sent",
        arguments: [
            #"{"input":"a"}"#, "", #"{"input":"a","expected":"b","extra":1}"#, "not JSON",
        ])
    func sideFiles(text: String) async throws {
        try await withFixture { fixture in
            var request = try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"])
            request.evaluation = try fixture.write("eval.jsonl", text)
            let found = await code { _ = try await fixture.publish(request) }
            #expect(found == "badFile")
            request.evaluation = nil
            request.threshold = EvaluationThreshold(minAccuracy: 0.9)
            let withoutSet = await code { _ = try await fixture.publish(request) }
            #expect(withoutSet == "badRequest")
            request.threshold = nil
            request.probes = [Probe(prompt: "")]
            let emptyProbe = await code { _ = try await fixture.publish(request) }
            #expect(emptyProbe == "badFile")
            let twice = await code {
                _ = try await fixture.publish(
                    try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf", "tiny-v1.Q4_0.gguf"]))
            }
            #expect(twice == "badRequest")
            #expect(fixture.registry.state.withLock { $0.bytesReceived } == 0)
        }
    }

    @Test("publishers at the same time lose nothing of each other")
    func conflicts() async throws {
        try await withFixture { fixture in
            _ = try await fixture.publish(try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"]))
            // Each attempt finds that the bin has moved on, twice.
            let layout = try NamespaceLayout("clinic")
            let bin = try layout.bin(for: "clinic/base/1.0.1")
            for round in 0..<2 {
                fixture.registry.state.withLock {
                    $0.beforePut.append { try? fixture.putRival(in: bin, round) }
                }
            }
            let attempts = Mutex<[Int]>([])
            _ = try await fixture.publish(try fixture.request("clinic/base:1.0.1", ["tiny-v2.Q4_0.gguf"])) { step in
                if case .signing(_, let attempt) = step { attempts.withLock { $0.append(attempt) } }
            }
            #expect(attempts.withLock { $0 } == [1, 2, 3])
            let tuf = try fixture.context().tuf
            try await tuf.refresh(now: PublishingFixture.now)
            let mine = try await tuf.target("clinic/base/1.0.1")
            #expect(mine != nil)
            let metadata = await tuf.metadata(bin)
            #expect(metadata?.targets["rival-0"] != nil && metadata?.targets["rival-1"] != nil)
        }
    }

    @Test("a rival who is always faster ends in an error, not in a loop")
    func hopeless() async throws {
        try await withFixture { fixture in
            let bin = try NamespaceLayout("clinic").bin(for: "clinic/base/1.0.0")
            for round in 0..<(2 * PublishLimits.conflictAttempts) {
                fixture.registry.state.withLock { $0.beforePut.append { try? fixture.putRival(in: bin, round) } }
            }
            let found = await code {
                _ = try await fixture.publish(try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"]))
            }
            #expect(found == "tooManyConflicts")
        }
    }

    @Test("a key that does not sign for the namespace is refused, and so is a namespace of nobody")
    func signers() async throws {
        try await withFixture { fixture in
            let request = try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"])
            let stranger = try KeyPair.generate(.ed25519)
            let foreign = await code { _ = try await fixture.publish(request, signers: [stranger]) }
            #expect(foreign == "notAPublisher")
            let nobody = await code {
                _ = try await fixture.publish(try fixture.request("legal/base:1.0.0", ["tiny-v1.Q4_0.gguf"]))
            }
            #expect(nobody == "namespaceNotDelegated")
        }
    }

    @Test("a registry that takes the signature and does not show it is named")
    func keptBack() async throws {
        try await withFixture { fixture in
            fixture.registry.state.withLock { $0.keepsBack = true }
            let found = await code {
                _ = try await fixture.publish(try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"]))
            }
            #expect(found == "notVisible")
        }
    }
}

extension PublishingFixture {
    /// Signs and puts another target into a bin, as a second publisher with the same key would.
    func putRival(in bin: String, _ round: Int) throws {
        try registry.state.withLock { state in
            guard let current = state.roles[bin] else { return }
            let envelope = try SignedEnvelope(parsing: current.bytes, limit: Limits.tufMetadataBytes)
            let next = try TargetsMetadata(json: envelope.signed)
                .adding("rival-\(round)", TargetFile(length: 1, digest: .of([])))
                .next(expires: Self.now + .seconds(86_400))
            let bytes = try SignedEnvelope.sign(next.json, by: [publisher]).encoded()
            try registry.replace(bin, bytes, next.version, &state)
        }
    }
}

extension FakeRegistry {
    func replace(_ role: String, _ bytes: [UInt8], _ version: Int, _ state: inout State) throws {
        state.roles[role] = (version, bytes)
        state.files["\(version).\(role).json"] = bytes
        try sign(&state)
    }
}
