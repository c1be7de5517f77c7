import Foundation
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import Synchronization
import TUF
import Trust

/// A registry in memory: blobs and manifests by repository, signed metadata with compare-and-swap.
final class FakeRegistry: Sendable {
    struct State {
        var blobs: [String: [String: [UInt8]]] = [:]
        var manifests: [String: [String: [UInt8]]] = [:]
        var uploads: [String: [UInt8]] = [:]
        var uploadCount = 0
        /// Metadata files as requested, e.g. `1.root.json`.
        var files: [String: [UInt8]] = [:]
        var roles: [String: (version: Int, bytes: [UInt8])] = [:]
        var snapshot = 0
        var bytesReceived = 0
        var log: [String] = []
        /// Called once before the next role is put: another publisher who is faster.
        var beforePut: [@Sendable () -> Void] = []
        /// Takes roles without showing them.
        var keepsBack = false
        /// How far its clock is ahead of the one it was given.
        var elapsed = Duration.zero
    }

    let state = Mutex(State())
    let snapshotKey: KeyPair
    let timestampKey: KeyPair
    let directorKey: KeyPair
    let authority: String
    let clock: Clock
    private let serverBox = Mutex<SocketServer?>(nil)

    init(clock: @escaping Clock) throws {
        snapshotKey = try .generate(.ed25519)
        timestampKey = try .generate(.ed25519)
        directorKey = try .generate(.ed25519)
        let made = try CertificateAuthority.make(
            name: "test", key: try .generate(.ed25519), now: clock(), valid: .seconds(86_400))
        authority = String(decoding: made.certificatePEM, as: UTF8.self)
        self.clock = clock
        let server = try SocketServer { [unowned self] in answer($0) }
        serverBox.withLock { $0 = server }
    }

    func stop() { serverBox.withLock { $0 }?.stop() }

    var origin: Origin {
        get throws { try Origin("http://127.0.0.1:\(serverBox.withLock { $0?.port } ?? 0)") }
    }

    private func answer(_ request: SocketServer.Request) -> SocketServer.Answer {
        if request.method == "PUT", request.path.hasPrefix("/api/v1/tuf/roles/") {
            let hook = state.withLock { $0.beforePut.isEmpty ? nil : $0.beforePut.removeFirst() }
            hook?()
        }
        return state.withLock { state in
            state.log.append("\(request.method) \(request.path)")
            if request.path.hasPrefix("/v2/") { return oci(request, &state) }
            if request.path.hasPrefix("/tuf/") {
                return state.files[String(request.path.dropFirst(5))].map { .init(status: 200, body: $0) }
                    ?? .init(status: 404)
            }
            return api(request, &state)
        }
    }

    private func api(_ request: SocketServer.Request, _ state: inout State) -> SocketServer.Answer {
        do {
            switch (request.method, request.path) {
            case ("GET", "/api/v1/trust/online-keys"):
                let keys = OnlineKeys(
                    snapshot: snapshotKey.publicKey.json, timestamp: timestampKey.publicKey.json,
                    director: directorKey.publicKey.json, authority: authority, addresses: ["https://127.0.0.1:8443"])
                return .init(status: 200, body: try JSONText.encode(keys))
            case ("POST", "/api/v1/trust/init"):
                let initial = try JSONText.decode(TrustInitialization.self, from: request.body)
                state.files["1.root.json"] = Array(initial.root.utf8)
                let trust = Array(initial.trustDocument.utf8)
                state.files["targets/martlet/\(Digest.of(trust).hex).trust.json"] = trust
                for (role, text) in initial.delegated.merging(["targets": initial.targets], uniquingKeysWith: { $1 }) {
                    try put(role, Array(text.utf8), &state)
                }
                try sign(&state)
                return .init(status: 200, body: Array("{}".utf8))
            case ("PUT", let path) where path.hasPrefix("/api/v1/tuf/roles/"):
                let role = String(path.split(separator: "/").last ?? "")
                guard try put(role, request.body, &state) else {
                    let problem = Problem(status: 409, code: "versionConflict", title: "Conflict", detail: "too late")
                    return .init(status: 409, body: try JSONText.encode(problem))
                }
                if !state.keepsBack { try sign(&state) }
                let receipt = RoleReceipt(
                    role: role, version: Int64(state.roles[role]?.version ?? 0), snapshot: Int64(state.snapshot))
                return .init(status: 200, body: try JSONText.encode(receipt))
            case ("POST", "/api/v1/trust/changes"): return try change(request, &state)
            default: return .init(status: 404)
            }
        } catch {
            return .init(status: 400, body: Array("\(error)".utf8))
        }
    }

    private func change(_ request: SocketServer.Request, _ state: inout State) throws -> SocketServer.Answer {
        let change = try JSONText.decode(TrustChange.self, from: request.body)
        for (role, text) in change.roles where try !put(role, Array(text.utf8), &state) {
            let problem = Problem(status: 409, code: "versionConflict", title: "Conflict", detail: "too late")
            return .init(status: 409, body: try JSONText.encode(problem))
        }
        if !state.keepsBack { try sign(&state) }
        let versions = change.roles.keys.map { ($0, Int64(state.roles[$0]?.version ?? 0)) }
        let receipt = TrustReceipt(
            roles: Dictionary(uniqueKeysWithValues: versions), snapshot: Int64(state.snapshot))
        return .init(status: 200, body: try JSONText.encode(receipt))
    }

    @discardableResult
    private func put(_ role: String, _ bytes: [UInt8], _ state: inout State) throws -> Bool {
        let envelope = try SignedEnvelope(parsing: bytes, limit: Limits.tufMetadataBytes)
        if role == RootMetadata.type {
            let version = try RootMetadata(json: envelope.signed).version
            guard state.files["\(version - 1).root.json"] != nil, state.files["\(version).root.json"] == nil else {
                return false
            }
            state.files["\(version).root.json"] = bytes
            return true
        }
        let version = try TargetsMetadata(json: envelope.signed).version
        guard version == (state.roles[role]?.version ?? 0) + 1 else { return false }
        state.roles[role] = (version, bytes)
        state.files["\(version).\(role).json"] = bytes
        return true
    }

    func sign(_ state: inout State) throws {
        state.snapshot += 1
        let now = clock() + state.elapsed
        let snapshot = MetadataRepository.snapshot(
            version: state.snapshot, now: now,
            roles: state.roles.mapValues { MetadataFileInfo(version: $0.version, of: $0.bytes) })
        let bytes = try SignedEnvelope.sign(snapshot.json, by: [snapshotKey]).encoded()
        state.files["\(state.snapshot).snapshot.json"] = bytes
        let timestamp = MetadataRepository.timestamp(
            version: state.snapshot, now: now, snapshotVersion: state.snapshot, snapshotBytes: bytes)
        state.files["timestamp.json"] = try SignedEnvelope.sign(timestamp.json, by: [timestampKey]).encoded()
    }

    private func oci(_ request: SocketServer.Request, _ state: inout State) -> SocketServer.Answer {
        let parts = request.path.split(separator: "/").map(String.init)
        let repository = parts[1] + "/" + parts[2]
        let name = parts.last ?? ""
        switch (request.method, parts[3]) {
        case ("HEAD", "blobs"):
            guard let blob = state.blobs[repository]?[name] else { return .init(status: 404) }
            return .init(status: 200, fields: ["Content-Length": "\(blob.count)"])
        case ("POST", "blobs"):
            if let digest = request.query["mount"], let source = request.query["from"],
                let blob = state.blobs[source]?[digest]
            {
                state.blobs[repository, default: [:]][digest] = blob
                return .init(status: 201)
            }
            state.uploadCount += 1
            state.uploads["\(state.uploadCount)"] = []
            return .init(status: 202, fields: ["Location": "/v2/\(repository)/blobs/uploads/\(state.uploadCount)"])
        case ("PATCH", "blobs"):
            state.uploads[name, default: []] += request.body
            state.bytesReceived += request.body.count
            return .init(status: 202, fields: ["Range": "0-\((state.uploads[name]?.count ?? 0) - 1)"])
        case ("PUT", "blobs"):
            let bytes = state.uploads.removeValue(forKey: name) ?? []
            guard Digest.of(bytes).text == request.query["digest"] else { return .init(status: 400) }
            state.blobs[repository, default: [:]][Digest.of(bytes).text] = bytes
            return .init(status: 201)
        case ("PUT", "manifests"):
            let digest = Digest.of(request.body).text
            state.manifests[repository, default: [:]][digest] = request.body
            state.manifests[repository, default: [:]][name] = request.body
            return .init(status: 201)
        case ("GET", "manifests"), ("HEAD", "manifests"):
            guard let bytes = state.manifests[repository]?[name] else { return .init(status: 404) }
            let fields = ["Docker-Content-Digest": Digest.of(bytes).text, "Content-Length": "\(bytes.count)"]
            return .init(status: 200, fields: fields, body: request.method == "HEAD" ? [] : bytes)
        default: return .init(status: 405)
        }
    }
}
