import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import NIOCore
import RegistryStore

/// The OCI distribution spec 1.1 over the stores: what publishers push and devices pull.
struct OCIService: Sendable {
    let core: RegistryCore
    /// Which listener counts the bytes.
    let listener: String

    var uploads: PatientUploads { PatientUploads(blobs: core.blobs) }

    /// The routes of the operators' listener.
    func operatorEndpoints() -> [Endpoint] {
        var endpoints = [
            Endpoint(route: Route(.get, "/v2/", .atLeast(.viewer), limits: .all), style: .oci) { _ in
                Self.versionCheck
            }
        ]
        for method in [HTTPRequest.Method.get, .head] {
            let route = Route(method, "/v2/{path+}", .atLeast(.viewer), limits: .all)
            endpoints.append(Endpoint(route: route, style: .oci) { try await read($0) })
        }
        for method in [HTTPRequest.Method.post, .put, .patch, .delete] {
            let route = Route(method, "/v2/{path+}", .atLeast(.publisher), limits: .namespaces)
            endpoints.append(Endpoint(route: route, style: .oci) { try await write($0) })
        }
        return endpoints
    }

    /// The routes of the devices' listener: reads of what a device may read.
    func deviceEndpoints() -> [Endpoint] {
        [HTTPRequest.Method.get, .head].map { method in
            Endpoint(route: Route(method, "/v2/{path+}", .device), style: .oci) { try await readAsDevice($0) }
        }
    }

    private static let versionCheck = Response(
        status: .ok, headers: [.contentType: "application/json", .dockerVersion: "registry/2.0"],
        body: ResponseBody(byteBuffer: ByteBuffer(string: "{}")))

    private func read(_ exchange: Exchange) async throws -> Response {
        let path = try OCIPath(exchange.text("path"))
        try Self.requireReach(exchange, path.repository)
        switch path {
        case .blob(let repository, let digest): return try await blob(repository, digest, exchange)
        case .manifest(let repository, let reference): return try await manifest(repository, reference, exchange)
        case .tags(let repository): return try await tags(repository, exchange)
        case .referrers(let repository, let digest): return try await referrers(repository, digest, exchange)
        case .upload(let repository, let id):
            try Self.require(exchange, repository)
            return try await uploadStatus(repository, id)
        case .uploads:
            throw ServerError(405, "UNSUPPORTED", "Uploads are begun with POST.")
        }
    }

    private func write(_ exchange: Exchange) async throws -> Response {
        let path = try OCIPath(exchange.text("path"))
        try Self.require(exchange, path.repository)
        switch (exchange.request.method, path) {
        case (.post, .uploads(let repository)): return try await beginUpload(repository, exchange)
        case (.patch, .upload(let repository, let id)): return try await appendToUpload(repository, id, exchange)
        case (.put, .upload(let repository, let id)): return try await finishUpload(repository, id, exchange)
        case (.delete, .upload(_, let id)):
            try await uploads.abort(try Self.uploadID(id))
            return .noContent
        case (.put, .manifest(let repository, let reference)):
            return try await putManifest(repository, reference, exchange)
        case (.delete, .manifest(let repository, let reference)):
            return try await deleteManifest(repository, reference, exchange)
        case (.delete, .blob(let repository, let digest)): return try await deleteBlob(repository, digest, exchange)
        default:
            throw ServerError(405, "UNSUPPORTED", "\(exchange.request.method) is not possible here.")
        }
    }

    /// A device gets the same answer for what it may not read and for what is not there.
    private func readAsDevice(_ exchange: Exchange) async throws -> Response {
        let device = try exchange.device
        switch try OCIPath(exchange.text("path")) {
        case .blob(let repository, let digest):
            guard try await core.database.read({ try ReadAccess($0).mayRead(device, repository, digest) }) else {
                throw Self.unknownBlob(digest)
            }
            return try await blob(repository, digest, exchange)
        case .manifest(let repository, .digest(let digest)):
            guard try await core.database.read({ try ReadAccess($0).mayRead(device, repository, digest) }) else {
                throw Self.unknownManifest(digest.text)
            }
            return try await manifest(repository, .digest(digest), exchange)
        case .manifest(_, .tag(let tag)): throw Self.unknownManifest(tag)
        case .referrers(let repository, let digest):
            let isNamed = try await core.database.read { try ReadAccess($0).isNamed(device, repository, digest) }
            return try await referrers(repository, digest, exchange, isVisible: isNamed)
        default: throw ServerError.noRoute
        }
    }

    /// Reads and mounts are for tokens that the repository's namespace is within reach of.
    static func requireReach(_ exchange: Exchange, _ repository: RepositoryName) throws {
        guard try exchange.reach.contains(namespace: repository.namespace) else {
            throw ServerError(
                403, "DENIED", "This token may not read \(repository).",
                remedy: "Use a token of namespace \(repository.namespace).")
        }
    }

    /// Writes are for publishers' tokens of the repository's namespace.
    private static func require(_ exchange: Exchange, _ repository: RepositoryName) throws {
        let caller = try exchange.caller
        guard caller.role >= .publisher, caller.reach.contains(namespace: repository.namespace) else {
            throw ServerError(
                403, "DENIED", "This token may not push to \(repository).",
                remedy: "Use a publisher's token of namespace \(repository.namespace).")
        }
    }

    static func uploadID(_ text: String) throws -> UploadID {
        do {
            return try UploadID(text)
        } catch {
            throw ServerError(404, "BLOB_UPLOAD_UNKNOWN", "There is no such upload.", remedy: "Begin a new one.")
        }
    }

    static func unknownBlob(_ digest: Digest) -> ServerError {
        ServerError(404, "BLOB_UNKNOWN", "There is no blob \(digest) here.")
    }

    static func unknownManifest(_ reference: String) -> ServerError {
        ServerError(404, "MANIFEST_UNKNOWN", "There is no manifest \(reference) here.")
    }
}

extension HTTPField.Name {
    static let dockerVersion = Self.known("Docker-Distribution-API-Version")
    static let dockerDigest = Self.known("Docker-Content-Digest")
    static let dockerUpload = Self.known("Docker-Upload-UUID")
    static let ociSubject = Self.known("OCI-Subject")
    static let ociFilters = Self.known("OCI-Filters-Applied")
    static let idempotencyKey = Self.known(MartletFields.idempotencyKey)
    static let martletJournal = Self.known(MartletFields.journal)
    static let martletSequence = Self.known(MartletFields.sequence)
    static let martletTrust = Self.known(MartletFields.trust)
    static let link = Self.known("Link")

    private static func known(_ name: String) -> HTTPField.Name {
        guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is a field name") }
        return field
    }
}
