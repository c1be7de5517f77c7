import MartletTypes
import TUF
import Testing

@Suite("Keys and signatures")
struct KeyTests {
    @Test(
        "every scheme verifies its own signature and nothing else",
        arguments: [
            TestSigner.Kind.ed25519, .p256, .p384, .rsaPSS256, .rsaPSS512,
        ])
    func schemes(kind: TestSigner.Kind) throws {
        let signer = try TestSigner(kind)
        let message = Array("martlet".utf8)
        let signature = try signer.sign(message)
        let key = try PublicKey(json: signer.publicKey.json)
        #expect(key == signer.publicKey)
        #expect(key.verify(signature: signature, of: message))
        #expect(!key.verify(signature: signature, of: Array("Martlet".utf8)))
        #expect(!key.verify(signature: [], of: message))
        #expect(!key.verify(signature: Array(signature.dropLast()), of: message))
        #expect(!key.verify(signature: try TestSigner(kind).sign(message), of: message))
        var flipped = signature
        flipped[flipped.count / 2] ^= 1
        #expect(!key.verify(signature: flipped, of: message))
    }

    @Test("RFC 8032's first vector verifies")
    func knownVector() throws {
        let key = PublicKey(
            keytype: "ed25519", scheme: "ed25519",
            value: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        let signature = try #require(
            Hex.decode(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
                    + "d25bf5f0595bbe24655141438e7a100b"))
        #expect(key.verify(signature: signature, of: []))
    }

    @Test(
        "keys that are weak, unknown or broken verify nothing",
        arguments: [
            ("ed25519", "ed25519", "zz"), ("ed25519", "ed25519", "00"), ("ed25519", "ed448", "00"),
            ("ecdsa", "ecdsa-sha2-nistp256", "no PEM"), ("rsa", "rsassa-pss-sha256", ""), ("ml-dsa", "ml-dsa-44", "00"),
            ("rsa", "rsa-pkcs1v15-md5", "x"),
        ])
    func useless(keytype: String, scheme: String, value: String) {
        let key = PublicKey(keytype: keytype, scheme: scheme, value: value)
        #expect(!key.verify(signature: [UInt8](repeating: 0, count: 64), of: [1]))
    }

    @Test("an RSA key of 1024 bits, and a key under another curve's or type's scheme, verify nothing")
    func mismatched() throws {
        let weak = try TestSigner(.rsa1024)
        #expect(!weak.publicKey.verify(signature: try weak.sign([1]), of: [1]))
        let p384 = try TestSigner(.p384)
        let disguised = PublicKey(keytype: "ecdsa", scheme: "ecdsa-sha2-nistp256", value: p384.publicKey.value)
        #expect(!disguised.verify(signature: try p384.sign([1]), of: [1]))
        let rsa = PublicKey(keytype: "rsa", scheme: "rsassa-pss-sha256", value: p384.publicKey.value)
        #expect(!rsa.verify(signature: try p384.sign([1]), of: [1]))
    }

    @Test("key identifiers are those of securesystemslib")
    func keyID() {
        let key = PublicKey(
            keytype: "ed25519", scheme: "ed25519",
            value: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        #expect(key.keyID == "74c181c7ad8a0855d4b55e44d2ba87aabdddb196832571f15f92fece332e4916")
    }

    @Test("unknown fields of a key survive and do not change its identifier here")
    func unknownFields() throws {
        let signer = try TestSigner()
        guard case .object(var members) = signer.publicKey.json else { return }
        members["keyid_hash_algorithms"] = .array([.string("sha256")])
        members["keyval"] = .object(["public": .string(signer.publicKey.value), "private": .string("")])
        let key = try PublicKey(json: .object(members))
        #expect(key.json == .object(members))
        #expect(key.keyID == signer.publicKey.keyID)
        #expect(key.verify(signature: try signer.sign([1]), of: [1]))
    }

    @Test("a key of an unknown shape is kept, so that a root which has one among others can be read")
    func unknownShape() throws {
        let json = JSONValue.object([
            "keytype": .string("future"), "scheme": .string("s"), "keyval": .object(["points": .array([.integer(1)])]),
        ])
        let key = try PublicKey(json: json)
        #expect(key.json == json)
        #expect(!key.verify(signature: [1], of: [1]))
        #expect(throws: TUFError(.malformed, "")) { try PublicKey(json: .object(["keytype": .string("x")])) }
    }

    @Test("an envelope counts valid signatures only, and tolerates invalid ones beside them")
    func counting() throws {
        let one = try TestSigner()
        let two = try TestSigner(.p256)
        let keys = [one.publicKey.keyID: one.publicKey, two.publicKey.keyID: two.publicKey]
        let document = JSONValue.object(["x": .integer(1)])
        let envelope = try SignedEnvelope.sign(document, by: [one])
        try envelope.verify(keys: keys, threshold: 1)
        #expect(throws: TUFError(.thresholdNotMet, "")) { try envelope.verify(keys: keys, threshold: 2) }
        #expect(throws: TUFError(.malformed, "")) { try envelope.verify(keys: keys, threshold: 0) }
        #expect(throws: TUFError(.badSignature, "")) { try envelope.verify(keys: [:], threshold: 1) }
        let both = try envelope.adding(signatureBy: two)
        try both.verify(keys: keys, threshold: 2)
        #expect(try both.adding(signatureBy: two).signatures.count == 2, "signing again replaces")

        for bad in ["", "zz", "00", String(repeating: "0", count: 128)] {
            let text =
                #"{"signed":{"x":1},"signatures":[{"keyid":"\#(two.publicKey.keyID)","sig":"\#(bad)"},"#
                + #"{"keyid":"stranger","sig":"00"},"#
                + #"{"keyid":"\#(one.publicKey.keyID)","sig":"\#(envelope.signatures[0].sigHex)"}]}"#
            let parsed = try SignedEnvelope(parsing: Array(text.utf8), limit: 10_000)
            try parsed.verify(keys: keys, threshold: 1)
            #expect(throws: TUFError(.thresholdNotMet, "")) { try parsed.verify(keys: keys, threshold: 2) }
        }
    }

    @Test("an envelope survives encoding with its unknown fields, and stays within its limit")
    func encoding() throws {
        let text = #"{"extra":[1],"signatures":[],"signed":{"a":"é\n\"\\/","b":[true,null,-1]}}"#
        let envelope = try SignedEnvelope(parsing: Array(text.utf8), limit: 200)
        #expect(String(decoding: envelope.encoded(), as: UTF8.self) == text)
        #expect(throws: TUFError(.lengthExceeded, "")) { try SignedEnvelope(parsing: Array(text.utf8), limit: 20) }
    }

    @Test(
        "documents that are no envelopes are refused",
        arguments: [
            "", "[]", "{}", "null", #"{"signed":{}}"#, #"{"signatures":[]}"#, #"{"signed":[],"signatures":[]}"#,
            #"{"signed":{},"signatures":{}}"#, #"{"signed":{},"signatures":[1]}"#,
            #"{"signed":{},"signatures":[{"keyid":"a"}]}"#, #"{"signed":{},"signatures":[{"keyid":1,"sig":"00"}]}"#,
            #"{"signed":{},"signatures":[{"keyid":"a","sig":"0"},{"keyid":"a","sig":"1"}]}"#,
        ])
    func noEnvelope(text: String) {
        #expect(throws: TUFError(.malformed, "")) { try SignedEnvelope(parsing: Array(text.utf8), limit: 1000) }
    }

    @Test("a document with a fraction cannot be signed")
    func fraction() throws {
        #expect(throws: TUFError(.unsignable, "")) {
            try SignedEnvelope.sign(.object(["x": .number(0.5)]), by: [TestSigner()])
        }
    }
}
