import Foundation
import MartletTypes
import TUF
import TestSupport
import Testing
import Trust

@Suite("Model signatures")
struct ModelSignatureTests {
    static let files = [
        ModelFile(name: "model.gguf", digest: .of([1]), reachesEngine: true),
        ModelFile(name: "README.md", digest: .of([2]), reachesEngine: false),
        ModelFile(name: "chat_template.jinja", digest: .of([3]), reachesEngine: true),
    ]

    static func fixture(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: Checkout.fixture("modelsigning/" + name))))
    }

    private func key(_ pair: KeyPair) throws -> ModelSignatureKey { try ModelSignatureKey(pair.publicKey) }

    @Test("what was signed verifies under that key and no other")
    func roundTrip() throws {
        let (ours, other) = (try KeyPair.generate(.ecdsaP256), try KeyPair.generate(.ecdsaP256))
        let signature = try ModelSignature.sign("clinic/triage", Self.files, by: ours)
        let read = try ModelSignature(parsing: signature.bytes)
        #expect(read == signature)
        let signed = try read.verified(by: [key(other), key(ours)])
        #expect(try signed.key == key(ours))
        #expect(signed.refusal(of: Self.files) == nil)
        #expect(throws: TrustError(.badModelSignature, "")) { try read.verified(by: [key(other)]) }
        #expect(throws: TrustError(.badModelSignature, "")) { try read.verified(by: []) }
        #expect(throws: TrustError(.unsupportedKey, "")) {
            try ModelSignature.sign("x", Self.files, by: KeyPair.generate(.ed25519))
        }
    }

    @Test("a signature by the tool model-signing is read and verified")
    func tool() throws {
        let key = try ModelSignatureKey(String(decoding: Self.fixture("tool.pub.pem"), as: UTF8.self))
        let signature = try ModelSignature(parsing: Self.fixture("tool.sig"))
        #expect(signature.hint == key.hint)
        let signed = try signature.verified(by: [key])
        #expect(signed.files == ["README.md": .of(Array("card\n".utf8)), "a.gguf": .of(Array("hi\n".utf8))])
    }

    @Test("a key is taken as PEM or as one line of base64, and told by the same hint; other kinds are refused")
    func keys() throws {
        let pem = String(decoding: try Self.fixture("tool.pub.pem"), as: UTF8.self)
        let line = pem.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()
        let key = try ModelSignatureKey(pem)
        #expect(try ModelSignatureKey(line) == key)
        #expect(try ModelSignatureKey(pem.replacing("\n", with: "\r\n") + "\n\n") == key)
        #expect(key.pem == pem)
        #expect(try JSONText.decode(ModelSignatureKey.self, from: JSONText.encode(key)) == key)
        for wrong in ["", "-----BEGIN PUBLIC KEY-----", "AAAA", "ü", String(line.dropLast(4))] {
            #expect(throws: InvalidValue.self) { try ModelSignatureKey(wrong) }
        }
        let ed = try KeyPair.generate(.ed25519)
        #expect(throws: InvalidValue.self) { try ModelSignatureKey(Data(ed.publicKeyDER).base64EncodedString()) }
    }

    @Test("one changed byte anywhere in the envelope is noticed")
    func tampered() throws {
        let pair = try KeyPair.generate(.ecdsaP256)
        let good = try ModelSignature.sign("clinic/triage", Self.files, by: pair).bytes
        for place in good.indices {
            var bytes = good
            bytes[place] ^= 1
            guard let read = try? ModelSignature(parsing: bytes), let signed = try? read.verified(by: [key(pair)])
            else { continue }
            // A key identifier, a hint that is no hint any more: they say nothing.
            #expect(signed.refusal(of: Self.files) == nil, "byte \(place)")
        }
    }

    /// The bundle with one member of its statement set, signed by `pair` again.
    private func signed(by pair: KeyPair, _ change: (inout [String: JSONValue]) -> Void) throws -> [UInt8] {
        let bundle = try JSONValue(parsing: ModelSignature.sign("m", Self.files, by: pair).bytes)
        let payload = try #require(bundle["dsseEnvelope"]?["payload"]?.string.flatMap { Data(base64Encoded: $0) })
        var statement = try #require(try JSONValue(parsing: Array(payload)).object)
        change(&statement)
        let changed = try JSONText.encode(JSONValue.object(statement))
        let type = "application/vnd.in-toto+json"
        let message = Array("DSSEv1 \(type.utf8.count) \(type) \(changed.count) ".utf8) + changed
        var members = try #require(bundle.object)
        members["dsseEnvelope"] = .object([
            "payload": .string(Data(changed).base64EncodedString()), "payloadType": .string(type),
            "signatures": .array([
                .object(["sig": .string(Data(try pair.sign(message)).base64EncodedString()), "keyid": .string("")])
            ]),
        ])
        return try JSONText.encode(JSONValue.object(members))
    }

    @Test("a statement of another kind is refused, though well signed")
    func statements() throws {
        let pair = try KeyPair.generate(.ecdsaP256)
        #expect(try ModelSignature(parsing: signed(by: pair) { _ in }).verified(by: [key(pair)]).files.count == 3)
        let changes: [(String, (inout [String: JSONValue]) -> Void)] = [
            ("Statement", { $0["_type"] = .string("https://in-toto.io/Statement/v0.1") }),
            ("predicate", { $0["predicateType"] = .string("https://slsa.dev/provenance/v1") }),
            ("subject", { $0["subject"] = .array([]) }),
            (
                "subject is not",
                { $0["subject"] = .array([.object(["digest": .object(["sha256": .string(Digest.of([9]).hex)])])]) }
            ),
            (
                "whole files",
                { $0["predicate"] = .object(["serialization": .object(["method": .string("shards")])]) }
            ),
            (
                "files",
                {
                    $0["predicate"] = .object([
                        "serialization": .object(["method": .string("files"), "hash_type": .string("sha256")]),
                        "resources": .array([]),
                    ])
                }
            ),
        ]
        for (word, change) in changes {
            do {
                _ = try ModelSignature(parsing: signed(by: pair, change)).verified(by: [key(pair)])
                Issue.record("accepted without \(word)")
            } catch let error as TrustError {
                #expect(error.message.contains(word), "\(error.message)")
            }
        }
    }

    @Test("bytes that are no bundle are refused without harm")
    func garbage() throws {
        let good = try ModelSignature.sign("m", Self.files, by: KeyPair.generate(.ecdsaP256)).bytes
        let text = String(decoding: good, as: UTF8.self)
        for bytes in [
            [], Array("{}".utf8), Array("[]".utf8), Array("null".utf8), Array(good.dropLast()),
            Array(String(repeating: "[", count: 100_000).utf8),
            Array(text.replacing("bundle.v0.3", with: "bundle.v0.1").utf8),
            Array(text.replacing("\"dsseEnvelope\"", with: "\"messageSignature\"").utf8),
            Array(text.replacing("in-toto+json", with: "in-toto").utf8),
            [UInt8](repeating: 0x20, count: TrustLimits.modelSignatureBytes + 1),
        ] { #expect(throws: TrustError(.badModelSignature, "")) { try ModelSignature(parsing: bytes) } }
    }

    @Test("a signature stands for exactly the files that reach an engine; papers may come later")
    func coverage() throws {
        let pair = try KeyPair.generate(.ecdsaP256)
        func refusal(signing: [ModelFile], of release: [ModelFile]) throws -> String? {
            try ModelSignature.sign("m", signing, by: pair).verified(by: [key(pair)]).refusal(of: release)
        }
        let (weights, card, template) = (Self.files[0], Self.files[1], Self.files[2])
        #expect(try refusal(signing: [weights, template], of: Self.files) == nil)
        #expect(try refusal(signing: [weights, card], of: Self.files)?.contains("chat_template.jinja") == true)
        #expect(try refusal(signing: Self.files, of: [weights, template])?.contains("README.md") == true)
        var changed = Self.files
        changed[0].digest = .of([7])
        #expect(try refusal(signing: Self.files, of: changed)?.contains("another model.gguf") == true)
        // The same bytes under another name are another part of a split model.
        changed = Self.files
        changed[0].name = "model-00002-of-00002.gguf"
        #expect(try refusal(signing: Self.files, of: changed) != nil)
        let further = ModelFile(name: "lora.gguf", digest: .of([8]), reachesEngine: true)
        #expect(try refusal(signing: Self.files, of: Self.files + [further])?.contains("lora.gguf") == true)
    }

    @Test("demands of a namespace and of its repository add up, those of others do not count")
    func demands() throws {
        let (one, two) = (try key(.generate(.ecdsaP256)), try key(.generate(.ecdsaP256)))
        var policy = LocalPolicy(otherSlots: ["clinic/*"])
        #expect(try policy.modelSignatures(for: [RepositoryName("clinic/triage")]).isEmpty)
        policy.modelSignatures = ["clinic/*": [one], "clinic/triage": [two], "ward/*": [two]]
        let found = policy.modelSignatures(for: [try RepositoryName("clinic/triage")])
        #expect(found.map(\.pattern) == ["clinic/*", "clinic/triage"] && found.map(\.keys) == [[one], [two]])
        #expect(policy.modelSignatures(for: [try RepositoryName("clinic/billing")]).map(\.pattern) == ["clinic/*"])
        // An adapter serves its base's weights too.
        let both = [try RepositoryName("lab/x"), try RepositoryName("ward/base")]
        #expect(policy.modelSignatures(for: both).map(\.pattern) == ["ward/*"])
        #expect(try JSONText.decode(LocalPolicy.self, from: JSONText.encode(policy)) == policy)
        #expect(try JSONText.decode(LocalPolicy.self, from: Array("{}".utf8)).modelSignatures.isEmpty)
    }
}
