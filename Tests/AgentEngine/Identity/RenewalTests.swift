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

@Suite("Renewal")
struct RenewalTests {
    private func enrolled(_ authority: FakeAuthority) async throws -> (DeviceFolder, DeviceIdentity) {
        let device = try await DeviceFolder()
        let identity = try await device.enrolment(authority).run(
            token: authority.token(), device: try DeviceID("ward-1"))
        return (device, identity)
    }

    private func renewal(
        _ device: DeviceFolder, _ authority: FakeAuthority, clock: @escaping Clock = { FakeAuthority.now },
        onRenewal: @escaping @Sendable (DeviceIdentity) async -> Void = { _ in }
    ) -> Renewal {
        Renewal(
            store: device.store.identity, journal: device.store.journal.identity, peer: authority, clock: clock,
            random: { 0 }, logger: AgentLog.silent, onRenewal: onRenewal)
    }

    @Test("the device proves itself by its key alone, and gets a certificate for a fresh one")
    func renews() async throws {
        let authority = try FakeAuthority()
        let (device, former) = try await enrolled(authority)
        let formerKey = try KeyPair(pem: try device.store.identity.key(of: former))
        let told = Mutex<DeviceIdentity?>(nil)
        let renewed = try await renewal(
            device, authority, onRenewal: { identity in told.withLock { $0 = identity } }
        ).renew()
        #expect(told.withLock { $0 } == renewed)
        #expect(try device.store.identity.load() == renewed)
        #expect(renewed.certificate != former.certificate)
        #expect(renewed.key != former.key)
        #expect(device.identityFiles == ["device.json", renewed.key, "root.json"])
        let facts = try CertificateFacts(Array(renewed.certificate.utf8))
        #expect(try KeyPair(pem: try device.store.identity.key(of: renewed)).publicKeyDER == facts.publicKeyDER)
        let request = try #require(authority.seen.withLock { $0.renewals.first })
        #expect(request.certificate == former.certificate)
        #expect(request.journal == device.store.journal.identity)
        let signature = try #require(Hex.decode(request.signature))
        let nonce = try #require(Hex.decode(request.nonce))
        #expect(formerKey.publicKey.verify(signature: signature, of: nonce))
    }

    @Test(
        "a refusal or a wrong answer leaves the former identity in place",
        arguments: ["refusal", "key", "nonce", "loss"])
    func refused(_ fault: String) async throws {
        let authority = try FakeAuthority()
        let (device, former) = try await enrolled(authority)
        let other = try KeyPair.generate(.ed25519)
        authority.behaviour.withLock { behaviour in
            switch fault {
            case "refusal": behaviour.refusal = ClientError(.unexpectedStatus, "POST renew", "no", status: 403)
            case "key": behaviour.certifiedKey = other
            case "nonce": behaviour.nonce = "not hexadecimal"
            default: behaviour.loss = ClientError(.connectionLost, "POST renew", "gone")
            }
        }
        let renewal = renewal(device, authority, onRenewal: { _ in Issue.record("told of a renewal") })
        #expect(await thrownCode { try await renewal.renew() } != nil)
        #expect(try device.store.identity.load() == former)
        #expect(try KeyPair(pem: try device.store.identity.key(of: former)).kind == .ed25519)
    }

    @Test("while it runs, a certificate past two thirds of its life is renewed, also one that has ended")
    func runs() async throws {
        for offset in [61, 400] {
            let authority = try FakeAuthority()
            let (device, former) = try await enrolled(authority)
            let now = FakeAuthority.now + .seconds(offset * 86_400)
            let (news, inbox) = AsyncStream.makeStream(of: DeviceIdentity.self)
            let service = renewal(device, authority, clock: { now }) { identity in inbox.yield(identity) }
            let running = Task { try await service.run() }
            let renewed = await news.first { _ in true }
            running.cancel()
            try await running.value
            #expect(renewed?.certificate != former.certificate)
        }
    }

    @Test("an identity that the disk does not give back for a moment ends nothing: it is read again")
    func unreadable() async throws {
        let authority = try FakeAuthority()
        let (device, former) = try await enrolled(authority)
        let now = FakeAuthority.now + .seconds(61 * 86_400)
        let path = device.store.layout.identity + "/device.json"
        let (news, inbox) = AsyncStream.makeStream(of: DeviceIdentity.self)
        let (asks, asked) = AsyncStream.makeStream(of: Void.self)
        let service = Renewal(
            store: device.store.identity, journal: device.store.journal.identity, peer: authority, clock: { now },
            random: {
                asked.yield()
                return 0
            }, logger: AgentLog.silent
        ) { inbox.yield($0) }
        // A folder in its place: reading fails as on a bad sector.
        try FileManager.default.moveItem(atPath: path, toPath: path + ".aside")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        let running = Task { try await service.run() }
        // The schedule's own place, and the pause after the failure.
        var turns = asks.makeAsyncIterator()
        await turns.next()
        await turns.next()
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.moveItem(atPath: path + ".aside", toPath: path)
        let renewed = await news.first { _ in true }
        running.cancel()
        try await running.value
        #expect(renewed?.certificate != former.certificate)
    }

    @Test("the schedule: nothing before two thirds of the life, spread after it")
    func schedule() throws {
        let start = FakeAuthority.now
        let identity = DeviceIdentity(
            device: try DeviceID("d"), registry: "https://r", rootDigest: .of([]), caFingerprint: "", certificate: "",
            authorities: [], notBefore: start, notAfter: start + .seconds(90 * 86_400), labels: .none, key: "key-1.pem")
        let first = RenewalSchedule(place: 0)
        let last = RenewalSchedule(place: 1)
        #expect(first.dueTime(identity) == start + .seconds(60 * 86_400))
        #expect(last.dueTime(identity) == start + .seconds(60 * 86_400 + 90 * 86_400 / 50))
        #expect(first.pause(identity, now: start) == AgentLimits.renewalInterval)
        #expect(first.pause(identity, now: start + .seconds(60 * 86_400 - 60)) == .seconds(60))
        #expect(first.pause(identity, now: start + .seconds(60 * 86_400)) == nil)
        #expect(last.pause(identity, now: start + .seconds(60 * 86_400)) != nil)
        #expect(last.pause(identity, now: start + .seconds(365 * 86_400)) == nil)
        #expect(RenewalSchedule(place: .infinity).dueTime(identity) == last.dueTime(identity))
    }
}
