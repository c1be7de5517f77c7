import Foundation
import MartletTypes
import TUF
import TestSupport
import Testing
import Trust

@Suite(
    "PKCS#11 tokens",
    .enabled(if: Installed.everything || SoftToken.isInstalled, "SoftHSM is not here: scripts/bootstrap.sh full"))
struct TokenTests {
    @Test("a key in a token signs what its public half verifies, and stays there")
    func signs() async throws {
        let scene = try await SoftToken.shared.value
        let key = try KeyLocation(scene.release).open { Array(scene.token.pin.utf8) }
        #expect(key.kind == .ecdsaP256)
        #expect(key.isToken)
        let message = Array("martlet".utf8)
        #expect(key.publicKey.verify(signature: try key.sign(message), of: message))
        #expect(throws: TrustError(.keyInToken, "")) { try key.pem() }
        #expect(throws: TrustError(.keyInToken, "")) { try key.pem(passphrase: message) }
        #expect(try PublicKey(subjectPublicKeyInfo: key.publicKeyDER) == key.publicKey)
        let other = try KeyLocation(scene.other).open { Array(scene.token.pin.utf8) }
        #expect(other.publicKey != key.publicKey)
    }

    @Test("a key is found by token and id, and through a module that the URI names")
    func uris() async throws {
        let scene = try await SoftToken.shared.value
        let pin = Array(scene.token.pin.utf8)
        let key = try KeyLocation(scene.release).open { pin }
        let module = try #require(scene.token.environment["PKCS11_MODULE_PATH"])
        for uri in ["pkcs11:token=martlet;id=%01", scene.release + "?module-path=" + module] {
            #expect(try KeyLocation(uri).open { pin }.publicKey == key.publicKey, "\(uri)")
        }
        #expect(throws: TrustError(.tokenUnavailable, "")) {
            try KeyLocation(scene.release + "?module-path=/nowhere.so").open { pin }
        }
    }

    @Test("a key that cannot be had is refused by name")
    func refused() async throws {
        struct NoTerminal: Error {}
        let scene = try await SoftToken.shared.value
        let pin = Array(scene.token.pin.utf8)
        // Once a process is logged in, its token asks no more: each refusal comes first.
        let locked = try await scene.locked.makeKey("release")
        #expect(throws: TrustError(.passphraseNeeded, "")) { try KeyLocation(locked).open { nil } }
        #expect(throws: NoTerminal.self) { try KeyLocation(locked).open { throw NoTerminal() } }
        #expect(throws: TrustError(.badPassphrase, "")) { try KeyLocation(locked).open { Array("00000000".utf8) } }
        // A wrong PIN is not tried again, on this token or another.
        #expect(try KeyLocation(locked).open { pin }.isToken)
        for uri in ["pkcs11:token=martlet;object=absent", "pkcs11:token=absent;object=release"] {
            #expect(throws: TrustError(.keyNotFound, ""), "\(uri)") { try KeyLocation(uri).open { pin } }
        }
    }

    @Test("a PIN in the URI is refused and repeated nowhere", arguments: [";", "?"])
    func pinInURI(separator: String) async throws {
        let scene = try await SoftToken.shared.value
        let location = KeyLocation(scene.release + separator + "pin-value=" + scene.token.pin)
        #expect(!location.description.contains(scene.token.pin))
        do {
            _ = try location.open { nil }
            Issue.record("opened")
        } catch let error as TrustError {
            #expect(error.reason == .pinInURI)
            #expect(!error.message.contains(scene.token.pin))
        }
    }

    @Test("one key of a token signs from many tasks at once")
    func concurrent() async throws {
        let scene = try await SoftToken.shared.value
        let key = try KeyLocation(scene.release).open { Array(scene.token.pin.utf8) }
        #expect(try await goodSignatures(of: key, count: 64) == 64)
    }

    @Test("a request for a certificate is signed in the token, and certified")
    func request() async throws {
        let scene = try await SoftToken.shared.value
        let key = try KeyLocation(scene.release).open { Array(scene.token.pin.utf8) }
        try await expectCertified(key)
    }

    @Test("a token signs metadata with a threshold, beside a key of another kind")
    func metadata() async throws {
        let scene = try await SoftToken.shared.value
        let token = try KeyLocation(scene.release).open { Array(scene.token.pin.utf8) }
        let file = try KeyPair.generate(.ed25519)
        let value = try JSONValue(parsing: Array(#"{"_type":"x"}"#.utf8))
        let envelope = try SignedEnvelope.sign(value, by: [token, file])
        #expect(token.publicKey.scheme == "ecdsa-sha2-nistp256")
        #expect(envelope.signatures.count == 2)
    }

    @Test("an Ed25519 key in the token is refused, not misread: the engine of Debian 12 does not know the kind")
    func ed25519() async throws {
        let scene = try await SoftToken.shared.value
        let uri = try await scene.mixed.makeKey("ed", curve: "edwards25519")
        #expect(throws: TrustError(.keyNotFound, "")) { try KeyLocation(uri).open { Array(scene.mixed.pin.utf8) } }
    }
}

@Suite(
    "TPM keys",
    .enabled(if: Installed.everything || SoftTPM.isInstalled, "swtpm is not here: scripts/bootstrap.sh full"))
struct TPMTests {
    @Test("a key that the TPM holds, and one that it wrapped, sign what their public halves verify")
    func signs() async throws {
        let scene = try await SoftTPM.shared.value
        for location in [scene.persistent, scene.wrapped] {
            let key = try KeyLocation(location).open { nil }
            #expect(key.kind == .ecdsaP256)
            #expect(key.isToken)
            let message = Array("martlet".utf8)
            #expect(key.publicKey.verify(signature: try key.sign(message), of: message))
            #expect(try PublicKey(subjectPublicKeyInfo: key.publicKeyDER) == key.publicKey)
            #expect(throws: TrustError(.keyInToken, "")) { try key.pem() }
            try await expectCertified(key)
        }
    }

    @Test("a key with an authorization value wants it")
    func authorization() async throws {
        let scene = try await SoftTPM.shared.value
        let message = Array("martlet".utf8)
        let location = KeyLocation(scene.locked + "?pass")
        #expect(throws: TrustError(.passphraseNeeded, "")) { try location.open { nil } }
        // The TPM notices a wrong value when it signs.
        #expect(throws: TrustError(.libcrypto, "")) { try location.open { Array("wrong".utf8) }.sign(message) }
        let key = try location.open { Array("open sesame".utf8) }
        #expect(key.publicKey.verify(signature: try key.sign(message), of: message))
        #expect(throws: TrustError(.keyNotFound, "")) { try KeyLocation("handle:0x81000099").open { nil } }
    }

    @Test("one TPM serves many tasks, one after the other")
    func concurrent() async throws {
        let scene = try await SoftTPM.shared.value
        let key = try KeyLocation(scene.persistent).open { nil }
        #expect(try await goodSignatures(of: key, count: 24) == 24)
    }
}

/// Signs in many tasks at once; how many signatures verify.
private func goodSignatures(of key: KeyPair, count: Int) async throws -> Int {
    try await withThrowingTaskGroup(of: Bool.self) { group in
        for index in 0..<count {
            group.addTask {
                let message = Array("\(index)".utf8)
                return key.publicKey.verify(signature: try key.sign(message), of: message)
            }
        }
        return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
}

/// An authority certifies a request that `key` signed.
private func expectCertified(_ key: KeyPair) async throws {
    let request = try CertificateRequest(parsing: CertificateRequest.make(key: key, commonName: "device-7"))
    #expect(request.publicKeyDER == key.publicKeyDER)
    #expect(request.commonName == "device-7")
}
