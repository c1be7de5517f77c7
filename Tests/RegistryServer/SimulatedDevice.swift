import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import Synchronization
import TUF
import Testing
import Trust

/// A device that speaks the protocol over real mutual TLS, and does as it is told.
final class SimulatedDevice: Sendable {
    let name: DeviceID
    let key: KeyPair
    let journal: JournalID
    let certificate: String
    let client: DeviceClient
    private let director: PublicKey
    private let sequence = Mutex<Int64>(0)
    private let number = Mutex<Int64>(0)

    static func newJournal() throws -> JournalID { try JournalID(Hex.encode(try RandomBytes.make(16))) }

    /// Enrols by a fresh join token.
    init(
        _ name: String, at registry: RegistryFixture, labels: [String: String] = ["site": "berlin"],
        journal: JournalID? = nil, token: JoinToken? = nil
    ) async throws {
        self.name = try DeviceID(name)
        key = try KeyPair.generate(.ed25519)
        self.journal = try journal ?? Self.newJournal()
        let joined = try await Self.token(token, registry)
        let authority = Array(try await registry.admin.onlineKeys().authority.utf8)
        let anonymous = try HTTPClient(
            origin: try Origin(joined.registry), configuration: .init(authorityPEM: authority))
        let answer = try await DeviceClient(http: anonymous).enrol(
            EnrolRequest(
                device: self.name, secret: joined.secret,
                certificateRequest: Self.pem(try CertificateRequest.make(key: key, commonName: name)),
                labels: try Labels(labels), journal: self.journal))
        await anonymous.close()
        certificate = answer.certificate
        client = try Self.client(registry, answer.certificate, key, authority)
        director = try PublicKey(json: try await registry.admin.onlineKeys().director)
    }

    private static func token(_ token: JoinToken?, _ registry: RegistryFixture) async throws -> JoinToken {
        if let token { return token }
        let info = try await registry.admin.createJoinToken(JoinTokenRequest())
        return try JoinToken(parsing: try #require(info.token))
    }

    static func client(
        _ registry: RegistryFixture, _ certificate: String, _ key: KeyPair, _ authority: [UInt8]
    ) throws -> DeviceClient {
        DeviceClient(
            http: try HTTPClient(
                origin: registry.deviceOrigin,
                configuration: .init(
                    authorityPEM: authority,
                    identity: ClientIdentity(certificatePEM: Array(certificate.utf8), key: key))))
    }

    static func pem(_ der: [UInt8], _ what: String = "CERTIFICATE REQUEST") -> String {
        let base64 = Data(der).base64EncodedString(options: .lineLength64Characters)
        return "-----BEGIN \(what)-----\n\(base64)\n-----END \(what)-----\n"
    }

    /// Polls once; the assignment is verified by the director's key as an agent does.
    func poll(wait: Duration = .zero, above: Int64? = nil) async throws -> Assignment? {
        let highest = above ?? number.withLock { $0 }
        let bytes = try await client.assignment(above: highest, wait: wait, snapshot: 0, timestamp: 0, journal: journal)
        guard let bytes else { return nil }
        let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        let assignment = try Assignment.verify(
            bytes, directorKeys: [director.keyID: director], threshold: 1, device: name, highestNumber: highest,
            now: now)
        number.withLock { $0 = assignment.number }
        return assignment
    }

    @discardableResult
    func report(
        _ state: DeviceRolloutState, _ slot: SlotName, _ assignment: SlotAssignment, code: String? = nil,
        message: String? = nil, figures: DeviceReport.Figures? = nil
    ) async throws -> ReportReceipt {
        let next = sequence.withLock { value in
            value += 1
            return value
        }
        return try await client.report(
            ReportBatch(
                journal: journal,
                reports: [
                    DeviceReport(
                        sequence: next, time: Timestamp(seconds: 1_800_000_000), slot: slot,
                        generation: assignment.generation, rollout: assignment.rollout,
                        releases: assignment.releases.map(\.path), state: state, code: code, message: message,
                        figures: figures)
                ]))
    }

    func put(
        current: [ReleasePath], previous: [ReleasePath], slot: SlotName, generation: Int64, profile: String = "generic"
    ) async throws {
        let slots = [
            slot: SlotInventory(current: current, previous: previous, generation: generation, serving: true)
        ]
        let text = """
            {"agentVersion": "0.1.0", "engines": {"llama.cpp": "0.7.0"}, "profile": "\(profile)", "storeBytes": 5000,
             "facts": {"os": "linux", "architecture": "amd64", "cpu": {"features": []}, "memory": {"total": 1073741824},
                       "storage": [], "accelerators": [], "thermalZones": [], "powerSupplies": [], "problems": []},
             "slots": \(String(decoding: try JSONText.encode(slots), as: UTF8.self))}
            """
        try await client.put(try JSONText.decode(Inventory.self, from: Array(text.utf8)))
    }

    /// Polls once and does as it is told in `slot`: says that it serves the release, or fails where `fails` says so.
    func obey(_ slot: SlotName, before: [ReleasePath] = [], fails: String? = nil) async throws -> Assignment {
        let assignment = try #require(try await poll(wait: .seconds(50)))
        let own = try #require(assignment.slots[slot])
        try await report(.downloading, slot, own)
        if let fails {
            try await report(.failed, slot, own, code: fails, message: "as the test wants it")
        } else {
            try await put(
                current: own.releases.map(\.path), previous: before, slot: slot, generation: own.generation)
            try await report(.succeeded, slot, own)
        }
        return assignment
    }
}
