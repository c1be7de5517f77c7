import HTTPTypes
import Hummingbird
import MartletTypes
import NIOCore
import RegistryStore

extension OCIService {
    /// POST: mounts a blob of another repository, takes a blob in one request, or opens an upload.
    func beginUpload(_ repository: RepositoryName, _ exchange: Exchange) async throws -> Response {
        let core = core
        if let text = try exchange.query("mount") {
            let digest = try Self.digest(text)
            if let source = try exchange.query("from", as: RepositoryName.self) {
                try Self.requireReach(exchange, source)
                let mounted = try await core.database.write { sql in
                    try ManifestStore(sql).mount(digest, from: source, to: repository, now: core.clock())
                }
                if mounted != nil { return Self.created(repository, digest) }
            }
            return try await opened(repository)
        }
        guard let text = try exchange.query("digest") else { return try await opened(repository) }
        let digest = try Self.digest(text)
        let upload = try await core.blobs.beginUpload()
        do {
            _ = try await receive(exchange.request.body, at: .zero, into: upload)
        } catch {
            // Nobody knows this upload's name, so nobody could go on with it.
            try await uploads.abort(upload)
            throw error
        }
        return try await finish(upload, as: digest, repository)
    }

    private func opened(_ repository: RepositoryName) async throws -> Response {
        let upload = try await core.blobs.beginUpload()
        return Self.progress(.accepted, repository, upload, .zero)
    }

    /// GET: how far an upload is.
    func uploadStatus(_ repository: RepositoryName, _ id: String) async throws -> Response {
        let upload = try Self.uploadID(id)
        return Self.progress(.noContent, repository, upload, try await uploads.offset(of: upload))
    }

    /// PATCH: the next chunk. With `Content-Range` it must start where the upload stands; without, it is appended.
    func appendToUpload(_ repository: RepositoryName, _ id: String, _ exchange: Exchange) async throws -> Response {
        let upload = try Self.uploadID(id)
        let offset = try await start(of: exchange.request, upload)
        guard let offset else {
            var refusal = OCIErrorBody.response(
                ServerError(
                    416, "BLOB_UPLOAD_INVALID", "The chunk does not start where the upload stands.",
                    remedy: "Ask for the upload's offset and go on from there."))
            refusal.headers[.range] = Self.range(try await uploads.offset(of: upload))
            refusal.headers[.location] = "/v2/\(repository)/blobs/uploads/\(upload)"
            return refusal
        }
        let end = try await receive(exchange.request.body, at: offset, into: upload)
        return Self.progress(.accepted, repository, upload, end)
    }

    /// PUT: the rest of the bytes, if any, and the digest that all of them must have.
    func finishUpload(_ repository: RepositoryName, _ id: String, _ exchange: Exchange) async throws -> Response {
        let upload = try Self.uploadID(id)
        guard let text = try exchange.query("digest") else {
            throw ServerError(
                400, "DIGEST_INVALID", "The digest is missing.", remedy: "Add ?digest=sha256:….", field: "digest")
        }
        let digest = try Self.digest(text)
        guard let offset = try await start(of: exchange.request, upload) else {
            throw ServerError(
                416, "BLOB_UPLOAD_INVALID", "The last chunk does not start where the upload stands.",
                remedy: "Ask for the upload's offset and go on from there.")
        }
        _ = try await receive(exchange.request.body, at: offset, into: upload)
        return try await finish(upload, as: digest, repository)
    }

    private func finish(_ upload: UploadID, as digest: Digest, _ repository: RepositoryName) async throws -> Response {
        let core = core
        let size = try await uploads.finish(upload, as: digest)
        try await core.database.write {
            try ManifestStore($0).addBlob(repository, digest, size: size, now: core.clock())
        }
        return Self.created(repository, digest)
    }

    /// Where a chunk starts; nil where `Content-Range` says another place than where the upload stands.
    private func start(of request: Request, _ upload: UploadID) async throws -> ByteCount? {
        let offset = try await uploads.offset(of: upload)
        guard let text = request.headers[.contentRange] else { return offset }
        let bare = text.hasPrefix("bytes ") ? String(text.dropFirst("bytes ".count).prefix { $0 != "/" }) : text
        let ends = bare.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int64(ends[0]), let last = Int64(ends[1]), first >= 0, last >= first - 1
        else {
            throw ServerError(
                400, "BLOB_UPLOAD_INVALID",
                "\"\(text.prefix(Limits.quotedValueCharacters))\" is not a range of a chunk.",
                remedy: "Write Content-Range: FIRST-LAST.", field: "Content-Range")
        }
        if let length = request.headers[.contentLength].flatMap({ Int64($0) }), length != last - first + 1 {
            throw ServerError(
                400, "SIZE_INVALID", "The chunk has \(length) bytes, its range \(last - first + 1).",
                field: "Content-Range")
        }
        return first == offset.bytes ? offset : nil
    }

    /// Streams a body into an upload with at most `ServerLimits.writeBytes` in memory; what came before the connection
    /// broke is kept, so that the upload goes on from there.
    private func receive(_ body: RequestBody, at start: ByteCount, into upload: UploadID) async throws -> ByteCount {
        var offset = start
        var waiting: [UInt8] = []
        waiting.reserveCapacity(ServerLimits.writeBytes)
        do {
            for try await piece in body {
                core.metrics.received(piece.readableBytes, listener: listener)
                waiting.append(contentsOf: piece.readableBytesView)
                guard waiting.count >= ServerLimits.writeBytes else { continue }
                let full = waiting
                waiting.removeAll(keepingCapacity: true)
                offset = try await uploads.append(full, at: offset, to: upload)
            }
        } catch {
            if !(error is StoreError), !waiting.isEmpty {
                _ = try await uploads.append(waiting, at: offset, to: upload)
            }
            throw error
        }
        return waiting.isEmpty ? offset : try await uploads.append(waiting, at: offset, to: upload)
    }

    static func digest(_ text: String) throws -> Digest {
        do {
            return try Digest(text)
        } catch {
            throw ServerError(400, "DIGEST_INVALID", error.message, remedy: error.remedy, field: "digest")
        }
    }

    private static func created(_ repository: RepositoryName, _ digest: Digest) -> Response {
        Response(
            status: .created,
            headers: [.location: "/v2/\(repository)/blobs/\(digest)", .dockerDigest: digest.text, .contentLength: "0"])
    }

    private static func progress(
        _ status: HTTPResponse.Status, _ repository: RepositoryName, _ upload: UploadID, _ offset: ByteCount
    ) -> Response {
        Response(
            status: status,
            headers: [
                .location: "/v2/\(repository)/blobs/uploads/\(upload)", .range: range(offset),
                .dockerUpload: upload.text,
            ])
    }

    /// `0-LAST`; an empty upload is `0-0`, since the form has no other way to say so.
    private static func range(_ offset: ByteCount) -> String { "0-\(max(0, offset.bytes - 1))" }
}
