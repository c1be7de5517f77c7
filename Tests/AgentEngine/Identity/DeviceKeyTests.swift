import AgentStore
import Foundation
import MartletAPI
import MartletTypes
import RegistryClient
import Synchronization
import TUF
import TestSupport
import Testing
import Trust

@testable import AgentEngine

@Suite("Device keys")
struct DeviceKeyTests {
    private func enrolled(
        _ device: DeviceFolder, _ authority: FakeAuthority, _ keys: DeviceKeys
    ) async throws -> DeviceIdentity {
        try await Enrolment(store: device.store, keys: keys, peer: authority, clock: { FakeAuthority.now }).run(
            token: authority.token(), device: try DeviceID("ward-1"))
    }

    private func renewed(
        _ device: DeviceFolder, _ authority: FakeAuthority, _ keys: DeviceKeys
    ) async throws -> DeviceIdentity {
        try await Renewal(
            store: device.store.identity, keys: keys, journal: device.store.journal.identity, peer: authority,
            clock: { FakeAuthority.now }, random: { 0 }, logger: AgentLog.silent, onRenewal: { _ in }
        ).renew()
    }

    /// Enrols and renews with the key that `settings` name, and looks at every proof on the way.
    private func expectLife(_ settings: DeviceKeySettings, environment: [String: String] = [:]) async throws {
        let authority = try FakeAuthority()
        let device = try await DeviceFolder()
        let keys = DeviceKeys(store: device.store.identity, settings: settings, environment: environment)
        let identity = try await enrolled(device, authority, keys)
        #expect(identity.key == settings.location?.text)
        let key = try keys.current(identity)
        #expect(try CertificateFacts(Array(identity.certificate.utf8)).publicKeyDER == key.publicKeyDER)
        #expect(device.identityFiles == ["device.json", "root.json"])
        let next = try await renewed(device, authority, keys)
        #expect(next.key == identity.key)
        #expect(try CertificateFacts(Array(next.certificate.utf8)).publicKeyDER == key.publicKeyDER)
        let request = try #require(authority.seen.withLock { $0.renewals.first })
        let signature = try #require(Hex.decode(request.signature))
        #expect(key.publicKey.verify(signature: signature, of: try #require(Hex.decode(request.nonce))))
    }

    @Test("a key that the owner put in place is certified, and renewed with, and never written anywhere")
    func owned() async throws {
        let folder = try TemporaryFolder()
        let secret = Array("correct horse".utf8)
        let pem = try KeyPair.generate(.ecdsaP256).pem(passphrase: secret)
        try Data(pem).write(to: URL(fileURLWithPath: folder.file("device.pem")))
        try Data(secret + [0x0a]).write(to: URL(fileURLWithPath: folder.file("device-key")))
        let location = KeyLocation(folder.file("device.pem"))
        try await expectLife(DeviceKeySettings(location: location, passphrase: .file(folder.file("device-key"))))
        try await expectLife(
            DeviceKeySettings(location: location, passphrase: .credential("device-key")),
            environment: ["CREDENTIALS_DIRECTORY": folder.path])
    }

    @Test("at a renewal a device goes over from its own key to the owner's, and back")
    func migration() async throws {
        let folder = try TemporaryFolder()
        try Data(try KeyPair.generate(.ecdsaP256).pem()).write(to: URL(fileURLWithPath: folder.file("device.pem")))
        let authority = try FakeAuthority()
        let device = try await DeviceFolder()
        let own = DeviceKeys(store: device.store.identity)
        let owners = DeviceKeys(
            store: device.store.identity,
            settings: DeviceKeySettings(location: KeyLocation(folder.file("device.pem"))))
        let first = try await enrolled(device, authority, own)
        #expect(IdentityStore.isOwnKey(first.key))
        let second = try await renewed(device, authority, owners)
        #expect(second.key == folder.file("device.pem"))
        #expect(device.identityFiles == ["device.json", "root.json"])
        let third = try await renewed(device, authority, own)
        #expect(IdentityStore.isOwnKey(third.key))
        #expect(try own.current(third).kind == .ed25519)
        #expect(FileManager.default.fileExists(atPath: folder.file("device.pem")))
    }

    @Test("a key that cannot be opened ends the enrolment before the registry is asked")
    func refused() async throws {
        let authority = try FakeAuthority()
        let device = try await DeviceFolder()
        let keys = DeviceKeys(
            store: device.store.identity, settings: DeviceKeySettings(location: KeyLocation("/nonexistent.pem")))
        #expect(await thrownCode { _ = try await enrolled(device, authority, keys) } == "keyNotFound")
        #expect(authority.seen.withLock { $0.enrolments.isEmpty })
        #expect(try device.store.identity.load() == nil)
    }

    @Test(
        "a device enrols and renews with a key in its TPM",
        .enabled(if: Installed.everything || SoftTPM.isInstalled, "swtpm is not here: scripts/bootstrap.sh full"))
    func tpm() async throws {
        let tpm = try await SoftTPM.shared.value
        try await expectLife(DeviceKeySettings(location: KeyLocation(tpm.persistent)))
        try await expectLife(DeviceKeySettings(location: KeyLocation(tpm.wrapped)))
        let folder = try TemporaryFolder()
        try Data("open sesame\n".utf8).write(to: URL(fileURLWithPath: folder.file("auth")))
        try await expectLife(
            DeviceKeySettings(location: KeyLocation(tpm.locked + "?pass"), passphrase: .file(folder.file("auth"))))
    }

    @Test(
        "a device enrols and renews with a key in a PKCS#11 token",
        .enabled(if: Installed.everything || SoftToken.isInstalled, "SoftHSM is not here: scripts/bootstrap.sh full"))
    func token() async throws {
        let scene = try await SoftToken.shared.value
        let folder = try TemporaryFolder()
        try Data(scene.token.pin.utf8).write(to: URL(fileURLWithPath: folder.file("pin")))
        try await expectLife(
            DeviceKeySettings(location: KeyLocation(scene.other), passphrase: .file(folder.file("pin"))))
    }

    @Test(
        "the configuration names the key, and where its passphrase is",
        arguments: [
            (#"{"location": "handle:0x81000001"}"#, "handle:0x81000001", PassphraseSource?.none),
            (#"{"location": "/etc/k.pem", "passphraseFile": "/run/p"}"#, "/etc/k.pem", .file("/run/p")),
            (
                #"{"location": "pkcs11:token=a", "passphraseCredential": "pin"}"#, "pkcs11:token=a",
                .credential("pin")
            ),
        ])
    func configuration(text: String, location: String, passphrase: PassphraseSource?) throws {
        let configuration = try AgentConfiguration(parsing: Array(#"{"deviceKey": \#(text)}"#.utf8))
        let expected = DeviceKeySettings(location: KeyLocation(location), passphrase: passphrase)
        #expect(configuration.deviceKey == expected)
    }

    @Test(
        "a wrong device key in the configuration is refused with its place",
        arguments: [
            ("{}", "deviceKey.location"), (#"{"location": "key.pem"}"#, "deviceKey.location"),
            (#"{"location": 7}"#, "deviceKey.location"), (#""handle:0x81000001""#, "deviceKey"),
            (#"{"location": "pkcs11:token=a?pin-value=1234"}"#, "deviceKey.location"),
            (#"{"location": "/a", "passphraseFile": "b"}"#, "deviceKey.passphraseFile"),
            (
                #"{"location": "/a", "passphraseFile": "/b", "passphraseCredential": "c"}"#,
                "deviceKey.passphraseCredential"
            ),
            (#"{"location": "/a", "passphrase": "b"}"#, "deviceKey.passphrase"),
        ])
    func wrong(text: String, place: String) {
        do throws(AgentError) {
            _ = try AgentConfiguration(parsing: Array(#"{"deviceKey": \#(text)}"#.utf8))
            Issue.record("accepted \(text)")
        } catch {
            #expect(error.code == "invalidConfiguration")
            #expect(error.message.hasPrefix(place + " "), "\(error.message)")
            #expect(!error.message.contains("1234"))
        }
    }
}
