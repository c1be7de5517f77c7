import Foundation
import MartletTypes
import TUF
import TestSupport
import Testing
import Trust

@Suite("Keys")
struct KeyPairTests {
    static let secret = Array("correct horse".utf8)

    @Test(
        "a key signs what its public half verifies, before and after a round trip through PEM",
        arguments: KeyPair.Kind.allCases)
    func roundTrip(kind: KeyPair.Kind) throws {
        let key = try KeyPair.generate(kind)
        #expect(key.kind == kind)
        let message = Array("martlet".utf8)
        for passphrase in [nil, Self.secret] {
            let pem = try key.pem(passphrase: passphrase)
            let label = passphrase == nil ? "-----BEGIN PRIVATE KEY-----" : "-----BEGIN ENCRYPTED PRIVATE KEY-----"
            #expect(String(decoding: pem, as: UTF8.self).hasPrefix(label))
            let again = try KeyPair(pem: pem, passphrase: passphrase)
            #expect(again.publicKey == key.publicKey)
            #expect(again.publicKeyDER == key.publicKeyDER)
            #expect(key.publicKey.verify(signature: try again.sign(message), of: message))
        }
        #expect(try PublicKey(subjectPublicKeyInfo: key.publicKeyDER) == key.publicKey)
    }

    @Test(
        "keys that cannot be opened are refused by name",
        arguments: [
            ("encrypted", "", TrustError.Reason.passphraseNeeded), ("encrypted", "wrong", .badPassphrase),
            ("garbage", "", .keyUnreadable), ("empty", "", .keyUnreadable), ("public", "", .keyUnreadable),
            ("rsa", "", .unsupportedKey), ("p384", "", .unsupportedKey), ("x25519", "", .unsupportedKey),
            ("huge", "", .keyUnreadable),
        ])
    func refused(what: String, passphrase: String, reason: TrustError.Reason) async throws {
        let folder = try TemporaryFolder("keys")
        let path = folder.file("key.pem")
        let algorithms = ["rsa": ["RSA"], "p384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "x25519": ["X25519"]]
        switch what {
        case "encrypted": try write(KeyPair.generate(.ed25519).pem(passphrase: Self.secret), to: path)
        case "garbage":
            try write(Array("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".utf8), to: path)
        case "empty": try write([], to: path)
        case "huge": try write([UInt8](repeating: 0x20, count: TrustLimits.keyBytes + 1), to: path)
        case "public":
            let pair = try KeyPair.generate(.ecdsaP256)
            try write(Array(pair.publicKey.value.utf8), to: path)
        default:
            let made = try await openssl(["genpkey", "-algorithm"] + (algorithms[what] ?? []) + ["-out", path])
            #expect(made.status == 0)
        }
        let given = passphrase.isEmpty ? nil : Array(passphrase.utf8)
        #expect(throws: TrustError(reason, "")) { try KeyPair(pem: read(path), passphrase: given) }
        #expect(throws: TrustError(reason, "")) { try KeyLocation(path).open { given } }
    }

    @Test(
        "the store opens paths and file URIs, and asks for a passphrase only where there is one",
        arguments: KeyPair.Kind.allCases)
    func sources(kind: KeyPair.Kind) throws {
        let folder = try TemporaryFolder("keys")
        let key = try KeyPair.generate(kind)
        let plain = folder.file("plain.pem")
        let locked = folder.file("with space:and colon.pem")
        try write(key.pem(), to: plain)
        try write(key.pem(passphrase: Self.secret), to: locked)
        let unasked = try KeyLocation(plain).open {
            Issue.record("asked for a passphrase of a plain key")
            return nil
        }
        #expect(unasked.publicKey == key.publicKey)
        #expect(try KeyLocation("file:" + plain).open { nil }.publicKey == key.publicKey)
        #expect(try KeyLocation(locked).open { Self.secret }.publicKey == key.publicKey)
    }

    @Test("what the passphrase source throws comes through, and a missing key is named")
    func sourceErrors() throws {
        struct NoTerminal: Error {}
        let folder = try TemporaryFolder("keys")
        let locked = folder.file("locked.pem")
        try write(KeyPair.generate(.ed25519).pem(passphrase: Self.secret), to: locked)
        #expect(throws: NoTerminal.self) { try KeyLocation(locked).open { throw NoTerminal() } }
        #expect(throws: TrustError(.keyNotFound, "")) { try KeyLocation(folder.file("absent.pem")).open { nil } }
        #expect(throws: TrustError(.keyNotFound, "")) { try KeyLocation("nosuchscheme:a").open { nil } }
    }

    @Test(
        "a text is a path unless it begins with a scheme",
        arguments: [
            ("/a/b.pem", nil, false), ("b.pem", nil, false), ("./a:b", nil, false), ("a/b:c", nil, false),
            ("C:key", nil, false), ("file:/a", "file", false), ("pkcs11:token=x;object=y", "pkcs11", true),
            ("PKCS11:token=x", "pkcs11", true), ("handle:0x81000000", "handle", true), ("key with space:x", nil, false),
        ] as [(String, String?, Bool)])
    func kinds(text: String, scheme: String?, isToken: Bool) {
        #expect(KeyLocation(text).scheme == scheme)
        #expect(KeyLocation(text).isToken == isToken)
    }

    @Test(
        "a passphrase that libcrypto could not take back is refused", arguments: [0, TrustLimits.passphraseBytes + 1])
    func passphraseLength(count: Int) throws {
        let key = try KeyPair.generate(.ed25519)
        #expect(throws: TrustError(.badPassphrase, "")) {
            try key.pem(passphrase: [UInt8](repeating: 0x61, count: count))
        }
    }

    @Test("openssl reads our keys, plain and encrypted, and we read its own", arguments: KeyPair.Kind.allCases)
    func openSSL(kind: KeyPair.Kind) async throws {
        let folder = try TemporaryFolder("keys")
        let key = try KeyPair.generate(kind)
        for (name, passphrase) in [("plain", nil), ("locked", Self.secret)] {
            let path = folder.file(name)
            try write(key.pem(passphrase: passphrase), to: path)
            let out = folder.file(name + ".pub")
            let shown = try await openssl([
                "pkey", "-in", path, "-passin", "pass:correct horse", "-pubout", "-outform", "DER", "-out", out,
            ])
            #expect(shown.status == 0, "\(shown.errors)")
            #expect(try read(out) == key.publicKeyDER)
        }
        let theirs = folder.file("theirs")
        let algorithm = kind == .ed25519 ? ["ED25519"] : ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        let made = try await openssl(
            ["genpkey", "-algorithm"] + algorithm + ["-aes-256-cbc", "-pass", "pass:correct horse", "-out", theirs])
        #expect(made.status == 0, "\(made.errors)")
        #expect(try KeyPair(pem: read(theirs), passphrase: Self.secret).kind == kind)
    }

    @Test("one key signs from many tasks at once")
    func concurrent() async throws {
        let key = try KeyPair.generate(.ecdsaP256)
        let good = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<64 {
                group.addTask {
                    let message = Array("\(index)".utf8)
                    guard let signature = try? key.sign(message) else { return false }
                    return key.publicKey.verify(signature: signature, of: message)
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(good == 64)
    }

    @Test("random bytes differ, and secrets compare by content")
    func randomness() throws {
        #expect(try RandomBytes.make(32) != RandomBytes.make(32))
        #expect(try RandomBytes.make(0).isEmpty)
        #expect(ConstantTime.equals("abc", "abc"))
        #expect(!ConstantTime.equals("abc", "abd"))
        #expect(!ConstantTime.equals("abc", "abcd"))
        #expect(ConstantTime.equals([UInt8](), []))
    }
}

func openssl(_ arguments: [String]) async throws -> Finished { try await run("/usr/bin/openssl", arguments) }

func write(_ bytes: [UInt8], to path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }

func read(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }
