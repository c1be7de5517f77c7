import CSQLite
import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing
import Trust

/// What a thief has who copied a device's disk, and asks as that device with a program of the thief's own.
struct StolenIdentity: Sendable {
    private struct Document: Decodable {
        let device: DeviceID
        let registry: String
        let certificate: String
        let authorities: [String]
        let key: String
    }

    let device: DeviceID
    let certificate: String
    let key: KeyPair
    let client: DeviceClient
    /// The same way without the certificate.
    let anonymous: DeviceClient
    /// The journal's own name, which stands in the journal.
    let journal: JournalID

    /// Reads identity and journal in a device's data folder.
    init(data: String) throws {
        func bytes(_ name: String) throws -> [UInt8] {
            Array(try Data(contentsOf: URL(fileURLWithPath: data + "/identity/" + name)))
        }
        let document = try JSONText.decode(Document.self, from: try bytes("device.json"))
        (device, certificate) = (document.device, document.certificate)
        key = try KeyPair(pem: try bytes(document.key))
        let authorities = Array(document.authorities.joined().utf8)
        let identity = ClientIdentity(certificatePEM: Array(certificate.utf8), key: key)
        let origin = try Origin(document.registry)
        client = DeviceClient(
            http: try HTTPClient(origin: origin, configuration: .init(authorityPEM: authorities, identity: identity)))
        anonymous = DeviceClient(
            http: try HTTPClient(origin: origin, configuration: .init(authorityPEM: authorities)))
        journal = try Self.journal(data + "/journal.sqlite")
    }

    /// The name of a journal that somebody else began.
    static func newJournal() throws -> JournalID { try JournalID(Hex.encode(try RandomBytes.make(16))) }

    private static func journal(_ path: String) throws -> JournalID {
        var database: OpaquePointer?
        var statement: OpaquePointer?
        defer {
            sqlite3_finalize(statement)
            sqlite3_close(database)
        }
        guard sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, nil) == SQLITE_OK,
            sqlite3_prepare_v2(database, "SELECT hex(value) FROM fact WHERE name = 'journal'", -1, &statement, nil)
                == SQLITE_OK, sqlite3_step(statement) == SQLITE_ROW, let text = sqlite3_column_text(statement, 0)
        else { throw NeverTrue(description: "\(path) has no identity") }
        return try JournalID(String(cString: text).lowercased())
    }

    /// The status and body of a GET at the device listener.
    func get(_ target: String) async throws -> (status: Int, body: [UInt8]) {
        let reply = try await client.api.http.perform(HTTPCall(.get, target), limit: 16 << 20)
        return (reply.status, reply.body)
    }

    /// The answer to who wants a release's index.
    func manifest(_ release: ReleaseInfo) async throws -> Int {
        try await get("/v2/\(release.path.repository)/manifests/\(release.indexDigest)").status
    }

    /// Polls without waiting.
    func poll(_ journal: JournalID? = nil) async throws -> (status: Int, body: [UInt8]) {
        try await get("/device/v1/assignment?number=0&journal=\(journal ?? self.journal)")
    }

    /// Asks for a new certificate, with all that proves the device.
    func renew() async throws -> EnrolAnswer {
        let nonce = try await anonymous.renewalNonce().nonce
        return try await anonymous.renew(
            RenewRequest(
                certificate: certificate, nonce: nonce,
                signature: Hex.encode(try key.sign(try #require(Hex.decode(nonce)))),
                certificateRequest: try certificateRequest(), journal: journal))
    }

    /// A request for a certificate of the device's key, in PEM.
    func certificateRequest() throws -> String {
        PEMText.encode(
            try CertificateRequest.make(key: key, commonName: device.text), label: "CERTIFICATE REQUEST")
    }
}

/// Records an issue unless the registry refuses `body` with this problem.
func expectProblem(
    _ status: Int, _ code: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async {
    do {
        try await body()
        Issue.record("expected \(status) \(code), but it succeeded", sourceLocation: sourceLocation)
    } catch let error as ClientError {
        #expect(error.status == status && error.code == code, "\(error)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("expected \(status) \(code), got \(error)", sourceLocation: sourceLocation)
    }
}
