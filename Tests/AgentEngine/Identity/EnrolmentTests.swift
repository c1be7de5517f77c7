import AgentEngine
import AgentStore
import Foundation
import MartletAPI
import MartletTypes
import RegistryClient
import Synchronization
import TestSupport
import Testing
import Trust

@Suite("Enrolment")
struct EnrolmentTests {
    private let ward = "ward-1"

    @Test("a box becomes a device: key, certificate, root and authorities are on the disk, and fit")
    func enrols() async throws {
        let authority = try FakeAuthority()
        let device = try await DeviceFolder()
        let labels = try Labels(["site": "berlin"])
        let identity = try await device.enrolment(authority).run(
            token: authority.token(), device: try DeviceID(ward), labels: labels)
        #expect(try device.store.identity.load() == identity)
        #expect(try device.store.identity.root() == authority.root)
        #expect(identity.authorities == [authority.certificate])
        #expect(identity.labels == labels)
        #expect(identity.registry == "https://registry.example:8443")
        let facts = try CertificateFacts(Array(identity.certificate.utf8))
        #expect(try KeyPair(pem: try device.store.identity.key(of: identity)).publicKeyDER == facts.publicKeyDER)
        #expect(facts.commonName == ward)
        #expect(identity.notAfter == facts.notAfter)
        let request = try #require(authority.seen.withLock { $0.enrolments.first })
        #expect(request.journal == device.store.journal.identity)
        #expect(request.secret == "open sesame")
        let pinned = authority.seen.withLock { $0.authorities }
        #expect(pinned == [authority.authority.certificatePEM])
        for name in device.identityFiles where name != "root.json" {
            let attributes = try FileManager.default.attributesOfItem(atPath: device.folder.file("identity/" + name))
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
        }
    }

    @Test("an enrolled box refuses a second enrolment without asking anybody, and takes it with force")
    func again() async throws {
        let authority = try FakeAuthority()
        let device = try await DeviceFolder()
        let enrolment = device.enrolment(authority)
        let first = try await enrolment.run(token: authority.token(), device: try DeviceID(ward))
        let code = await thrownCode { try await enrolment.run(token: authority.token(), device: try DeviceID("other")) }
        #expect(code == "alreadyEnrolled")
        #expect(authority.seen.withLock { $0.enrolments.count } == 1)
        #expect(try device.store.identity.load() == first)
        let second = try await enrolment.run(token: authority.token(), device: try DeviceID("other"), force: true)
        #expect(try device.store.identity.load() == second)
        #expect(second.device.text == "other")
        #expect(device.identityFiles == ["device.json", second.key, "root.json"])
    }

    @Test("nobody gets the secret whose authority or root is not the token's")
    func mismatch() async throws {
        let authority = try FakeAuthority()
        let device = try await DeviceFolder()
        let enrolment = device.enrolment(authority)
        func code(_ token: JoinToken) async -> String? {
            await thrownCode { try await enrolment.run(token: token, device: try DeviceID(ward)) }
        }
        #expect(await code(authority.token(fingerprint: String(repeating: "0", count: 64))) == "authorityMismatch")
        authority.behaviour.withLock {
            $0.bootstrapError = ClientError(.certificateUntrusted, "https://registry.example", "no")
        }
        #expect(await code(authority.token()) == "authorityMismatch")
        authority.behaviour.withLock {
            $0.bootstrapError = ClientError(.digestMismatch, "https://registry.example", "no")
        }
        #expect(await code(authority.token()) == "rootMismatch")
        authority.behaviour.withLock {
            $0.bootstrapError = ClientError(.cannotConnect, "https://registry.example", "no")
        }
        #expect(await code(authority.token()) == "cannotConnect")
        authority.behaviour.withLock { $0.bootstrapError = nil }
        #expect(await code(authority.token(registry: "http://registry.example")) == "insecureOrigin")
        #expect(await code(authority.token(registry: "https://registry.example/path")) == "invalidValue")
        #expect(authority.seen.withLock { $0.enrolments.isEmpty })
        #expect(device.identityFiles.isEmpty)
    }

    @Test(
        "an answer that does not fit the request leaves the device as it was",
        arguments: ["key", "name", "device", "authority", "garbage", "authority as device"])
    func badAnswers(_ fault: String) async throws {
        let authority = try FakeAuthority()
        let stranger = try FakeAuthority()
        let device = try await DeviceFolder()
        let other = try KeyPair.generate(.ed25519)
        let own = authority.certificate
        let foreign = stranger.certificate
        let otherDevice = try DeviceID("other")
        authority.behaviour.withLock { behaviour in
            switch fault {
            case "key": behaviour.certifiedKey = other
            case "name": behaviour.certifiedName = "other"
            case "device": behaviour.alter = { $0.device = otherDevice }
            case "authority": behaviour.alter = { $0.authority = foreign }
            case "garbage": behaviour.alter = { $0.certificate = "-----BEGIN CERTIFICATE-----\n" }
            default: behaviour.alter = { $0.certificate = own }
            }
        }
        let code = await thrownCode {
            try await device.enrolment(authority).run(token: authority.token(), device: try DeviceID(ward))
        }
        #expect(code == (fault == "authority" ? "authorityMismatch" : "badAnswer"))
        #expect(try device.store.identity.load() == nil)
    }

    @Test("the registry's refusals keep their codes, and a used-up token says what to do")
    func refusals() async throws {
        let authority = try FakeAuthority()
        let device = try await DeviceFolder()
        for (status, code) in [(403, "joinTokenRefused"), (409, "deviceNameTaken")] {
            authority.behaviour.withLock {
                $0.refusal = ClientError(
                    .problem, "POST enrol", "no", status: status,
                    problem: Problem(status: status, code: code, title: "no", detail: "No."))
            }
            do {
                try await device.enrolment(authority).run(token: authority.token(), device: try DeviceID(ward))
                Issue.record("enrolled")
            } catch let error as any MartletError {
                #expect(error.code == code)
                if code == "joinTokenRefused" { #expect(error.remedy.contains("martlet token join")) }
                #expect(!error.description.contains("open sesame"))
            }
        }
    }

    @Test("a run whose answer was lost is done again with the same key, by which the registry knows who asks")
    func lostAnswer() async throws {
        let authority = try FakeAuthority()
        let device = try await DeviceFolder()
        authority.behaviour.withLock { $0.loss = ClientError(.connectionLost, "POST enrol", "gone") }
        let code = await thrownCode {
            try await device.enrolment(authority).run(token: authority.token(), device: try DeviceID(ward))
        }
        #expect(code == "connectionLost")
        #expect(try device.store.identity.load() == nil)
        authority.behaviour.withLock { $0.loss = nil }
        let identity = try await device.enrolment(authority).run(token: authority.token(), device: try DeviceID(ward))
        #expect(device.identityFiles == ["device.json", identity.key, "root.json"])
        let journals = authority.seen.withLock { Set($0.enrolments.map(\.journal)) }
        #expect(journals.count == 1, "the registry knows the box by its journal")
        let keys = try authority.seen.withLock { seen in
            Set(
                try seen.enrolments.map {
                    try CertificateRequest(parsing: Array($0.certificateRequest.utf8)).publicKeyDER
                })
        }
        #expect(keys.count == 1)
        // Another device's name, or another token, is another attempt.
        _ = try await device.enrolment(authority).run(
            token: authority.token(), device: try DeviceID("other"), force: true)
        #expect(try device.store.identity.load()?.key != identity.key)
    }

    @Test("another owner's metadata goes with the former identity; the same owner's stays")
    func metadata() async throws {
        let authority = try FakeAuthority()
        let device = try await DeviceFolder()
        let enrolment = device.enrolment(authority)
        try await enrolment.run(token: authority.token(), device: try DeviceID(ward))
        try device.store.metadata.save("timestamp", Array("t".utf8))
        try await enrolment.run(token: authority.token(), device: try DeviceID(ward), force: true)
        #expect(try device.store.metadata.load("timestamp") != nil)
        let mover = try FakeAuthority(root: "another root")
        try await device.enrolment(mover).run(token: mover.token(), device: try DeviceID(ward), force: true)
        #expect(try device.store.metadata.load("timestamp") == nil)
        #expect(try device.store.identity.root() == mover.root)
    }
}
