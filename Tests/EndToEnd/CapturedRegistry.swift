import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import Synchronization
import TUF
import Trust

/// The registry's machine in an attacker's hands: the address that devices call, every online key, and all that was
/// ever published. It answers as the attacker of the moment wants, and keeps what devices say.
///
/// The real registry goes on elsewhere; what is not forged is taken from it.
final class CapturedRegistry: Sendable {
    /// What is sent as a body.
    enum Body: Sendable {
        case bytes([UInt8])
        /// These bytes, and then more without end.
        case endless([UInt8])
        /// 404.
        case absent
    }

    /// A request as it came in.
    struct Request: Sendable {
        let method: HTTPRequest.Method
        /// The path, decoded.
        let path: String
        /// The path and query as they came.
        let target: String
        let fields: HTTPFields
        let body: [UInt8]
    }

    /// What is sent back.
    struct Answer: Sendable {
        var status = 200
        var fields: HTTPFields = [.contentType: "application/json"]
        var body = Body.bytes([])
    }

    private struct State {
        /// Forged files by their names below `/tuf/`.
        var metadata: [String: Body] = [:]
        /// Forged blobs and manifests by digest.
        var content: [String: Body] = [:]
        var assignment: (bytes: [UInt8], number: Int64, isForced: Bool)?
        var reports: [DeviceReport] = []
        /// The highest versions that were signed.
        var snapshot = 0
        var timestamp = 0
    }

    let keys: CapturedKeys
    private let upstream: HTTPClient
    private let state = Mutex(State())

    /// `data` is the registry's data folder, `address` the operators' address of the real one.
    init(data: String, address: String, token: String) throws {
        keys = try CapturedKeys(data: data)
        upstream = try HTTPClient(origin: Origin(address), configuration: .init(bearerToken: token))
    }

    // MARK: What the attacker does

    /// The number of reports so far.
    var reportCount: Int { state.withLock { $0.reports.count } }

    /// Reports since a count.
    func reports(since count: Int) -> [DeviceReport] { state.withLock { Array($0.reports[count...]) } }

    /// Serves another body for a file below `/tuf/`.
    func forge(_ file: String, _ body: Body) { state.withLock { $0.metadata[file] = body } }

    /// Serves another body for a blob or manifest.
    func forge(_ digest: Digest, _ body: Body) { state.withLock { $0.content[digest.text] = body } }

    /// Ends all forgeries of files and content; metadata is that of the real registry under newer signatures.
    func serveHonestly() async throws {
        state.withLock { ($0.metadata, $0.content) = ([:], [:]) }
        try await resign()
    }

    /// Gives devices an assignment, to those that are behind its number, or to all where `isForced`.
    func assign(_ assignment: Assignment, isForced: Bool = false) throws {
        let bytes = try assignment.signed(by: [keys.director]).encoded()
        state.withLock { $0.assignment = (bytes, assignment.number, isForced) }
    }

    /// Signs a snapshot over what the real one names, with `edit` applied, and a timestamp over it.
    ///
    /// `versions` are the least ones to use; without them each is one above the last. `life` is how long both hold, in
    /// place of what a registry gives them.
    func resign(
        versions: (snapshot: Int, timestamp: Int) = (0, 0),
        life: (snapshot: Duration?, timestamp: Duration?) = (nil, nil),
        _ edit: (inout [String: MetadataFileInfo]) -> Void = { _ in }
    ) async throws {
        let real = try await realSnapshot()
        var roles = real.snapshot.roles
        edit(&roles)
        let (snapshotVersion, timestampVersion) = state.withLock { state in
            state.snapshot = max(state.snapshot, real.snapshot.version, versions.snapshot) + 1
            state.timestamp = max(state.timestamp, real.timestamp.version, versions.timestamp) + 1
            return (state.snapshot, state.timestamp)
        }
        let now = Timestamp.now
        let snapshot = try SignedEnvelope.sign(
            SnapshotMetadata(
                version: snapshotVersion, expires: now + (life.snapshot ?? MetadataLifetime.snapshot), roles: roles
            ).json, by: [keys.snapshot]
        ).encoded()
        let timestamp = try SignedEnvelope.sign(
            TimestampMetadata(
                version: timestampVersion, expires: now + (life.timestamp ?? MetadataLifetime.timestamp),
                snapshot: MetadataFileInfo(version: snapshotVersion, of: snapshot)
            ).json, by: [keys.timestamp]
        ).encoded()
        forge("\(snapshotVersion).snapshot.json", .bytes(snapshot))
        forge("timestamp.json", .bytes(timestamp))
    }

    /// Serves a targets role in a version of the attacker's, named by a new snapshot.
    func publish(_ envelope: SignedEnvelope, as role: String, version: Int) async throws {
        let bytes = envelope.encoded()
        try await resign { $0[role] = MetadataFileInfo(version: version, of: bytes) }
        forge(MetadataPath.file(role, version: version), .bytes(bytes))
    }

    // MARK: What the real registry has

    /// A file below `/tuf/` of the real registry.
    func realFile(_ name: String) async throws -> [UInt8] {
        let reply = try await upstream.perform(HTTPCall(.get, "/tuf/" + name), limit: Limits.tufMetadataBytes)
        guard reply.status == 200 else { throw CocoaError(.fileNoSuchFile) }
        return reply.body
    }

    /// A targets role in the version that the real registry serves now.
    func realRole(_ role: String) async throws -> TargetsMetadata {
        let version = try await realSnapshot().snapshot.roles[role]?.version ?? 0
        let bytes = try await realFile(MetadataPath.file(role, version: version))
        return try TargetsMetadata(json: SignedEnvelope(parsing: bytes, limit: Limits.tufMetadataBytes).signed)
    }

    private func realSnapshot() async throws -> (timestamp: TimestampMetadata, snapshot: SnapshotMetadata) {
        func signed(_ name: String) async throws -> JSONValue {
            try SignedEnvelope(parsing: await realFile(name), limit: Limits.tufMetadataBytes).signed
        }
        let timestamp = try TimestampMetadata(json: await signed("timestamp.json"))
        let name = MetadataPath.file(SnapshotMetadata.type, version: timestamp.snapshot.version)
        return (timestamp, try SnapshotMetadata(json: await signed(name)))
    }

    // MARK: What devices get

    func answer(_ request: Request) async -> Answer {
        do {
            return try await route(request)
        } catch {
            return Answer(status: 502, body: .bytes(Array("{}".utf8)))
        }
    }

    private func route(_ request: Request) async throws -> Answer {
        switch (request.method, request.path) {
        case (.get, "/device/v1/assignment"): return try await assignment(request)
        case (.post, "/device/v1/reports"):
            let batch = try JSONText.decode(ReportBatch.self, from: request.body)
            state.withLock { state in
                let known = Set(state.reports.map(\.sequence))
                state.reports += batch.reports.filter { !known.contains($0.sequence) }
            }
            let receipt = ReportReceipt(highest: batch.reports.map(\.sequence).max() ?? 0)
            return Answer(body: .bytes(try JSONText.encode(receipt)))
        case (.get, let path) where path.hasPrefix("/tuf/"):
            let name = String(request.target.dropFirst("/tuf/".count))
            if let forged = state.withLock({ $0.metadata[name] }) { return Self.answer(forged) }
            return try await passOn(request)
        case (.get, let path) where path.hasPrefix("/v2/"):
            let digest = path.split(separator: "/").last.map(String.init) ?? ""
            if let forged = state.withLock({ $0.content[digest] }) { return Self.answer(forged) }
            return try await passOn(request)
        case (.put, _): return Answer(status: 204)
        case (.post, _): return Answer(body: .bytes(Array("{}".utf8)))
        default: return Answer(status: 404)
        }
    }

    private static func answer(_ body: Body) -> Answer {
        if case .absent = body { return Answer(status: 404) }
        return Answer(fields: [.contentType: "application/octet-stream"], body: body)
    }

    /// Waits a moment for something to assign, as a long poll does.
    private func assignment(_ request: Request) async throws -> Answer {
        let query = request.target.split(separator: "?").last.map(String.init) ?? ""
        let number = query.split(separator: "&").first { $0.hasPrefix("number=") }
            .flatMap { Int64($0.dropFirst("number=".count)) }
        for _ in 0..<20 {
            let given = state.withLock { state -> [UInt8]? in
                guard let assignment = state.assignment else { return nil }
                return assignment.isForced || assignment.number > number ?? 0 ? assignment.bytes : nil
            }
            if let given { return Answer(body: .bytes(given)) }
            try await Task.sleep(for: .milliseconds(50))
        }
        return Answer(status: 204)
    }

    private func passOn(_ request: Request) async throws -> Answer {
        var fields = HTTPFields()
        fields[.range] = request.fields[.range]
        fields[.accept] = request.fields[.accept]
        let reply = try await upstream.perform(
            HTTPCall(.get, request.target, fields: fields), limit: 64 * 1024 * 1024)
        var answer = Answer(status: reply.status, fields: [:], body: .bytes(reply.body))
        for name in [HTTPField.Name.contentType, .contentRange, .eTag] { answer.fields[name] = reply.fields[name] }
        return answer
    }
}

/// Every key that the registry holds online.
struct CapturedKeys: Sendable {
    let snapshot: KeyPair
    let timestamp: KeyPair
    let director: KeyPair
    let authority: CertificateAuthority

    init(data: String) throws {
        func bytes(_ name: String) throws -> [UInt8] {
            Array(try Data(contentsOf: URL(fileURLWithPath: data + "/keys/" + name)))
        }
        snapshot = try KeyPair(pem: bytes("snapshot.pem"))
        timestamp = try KeyPair(pem: bytes("timestamp.pem"))
        director = try KeyPair(pem: bytes("director.pem"))
        authority = try CertificateAuthority(
            certificatePEM: bytes("authority.crt"), key: KeyPair(pem: bytes("authority.pem")))
    }
}

extension Timestamp {
    static var now: Timestamp { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) }
}
