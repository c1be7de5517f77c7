import HTTPTypes
import Hummingbird
import MartletTypes
import RegistryStore

extension OCIService {
    /// GET and HEAD of a blob, whole or in part (RFC 9110 sections 13 and 14).
    func blob(_ repository: RepositoryName, _ digest: Digest, _ exchange: Exchange) async throws -> Response {
        guard try await core.database.read({ try ManifestStore($0).blobSize(repository, digest) }) != nil,
            let source = try await core.blobs.source(of: digest)
        else { throw Self.unknownBlob(digest) }
        let request = exchange.request
        let size = source.size.bytes
        let tag = "\"\(digest)\""
        var headers: HTTPFields = [
            .contentType: "application/octet-stream", .dockerDigest: digest.text, .eTag: tag, .acceptRanges: "bytes",
            // The bytes of a digest never change.
            .cacheControl: "private, max-age=31536000, immutable",
        ]
        if let condition = request.headers[.ifMatch], !EntityTag.list(condition, names: tag) {
            throw ServerError(412, "preconditionFailed", "The blob's entity tag is \(tag).")
        }
        if EntityTag.list(request.headers[.ifNoneMatch], names: tag) {
            return Response(status: .notModified, headers: headers)
        }
        if case .redirect(let url, _) = source {
            headers[.location] = url
            return Response(status: .temporaryRedirect, headers: headers)
        }
        let isCurrent = request.headers[.ifRange].map { $0 == tag } ?? true
        switch ByteRange(header: isCurrent ? request.headers[.range] : nil, length: size) {
        case .unsatisfiable:
            var refusal = OCIErrorBody.response(
                ServerError(416, "rangeNotSatisfiable", "The blob has \(size) bytes; that range has none of them."))
            refusal.headers[.contentRange] = "bytes */\(size)"
            return refusal
        case .whole:
            return answer(source, 0..<size, .ok, headers, exchange)
        case .part(let range):
            headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)"
            return answer(source, range, .partialContent, headers, exchange)
        }
    }

    private func answer(
        _ source: BlobSource, _ range: Range<Int64>, _ status: HTTPResponse.Status, _ headers: HTTPFields,
        _ exchange: Exchange
    ) -> Response {
        guard exchange.request.method != .head else {
            var headers = headers
            headers[.contentLength] = String(range.count)
            return Response(status: status, headers: headers)
        }
        let (metrics, listener) = (core.metrics, listener)
        return Response(
            status: status, headers: headers,
            body: .blob(source, range, on: exchange.context.channel) { metrics.sent($0, listener: listener) })
    }

    /// Takes a blob from a repository; its bytes go once no repository has it.
    func deleteBlob(_ repository: RepositoryName, _ digest: Digest, _ exchange: Exchange) async throws -> Response {
        let actor = exchange.actor
        let core = core
        let (wasThere, isUsed) = try await core.database.write { sql in
            let store = ManifestStore(sql)
            let wasThere = try store.removeBlob(repository, digest)
            if wasThere {
                try AuditLog(sql).append(
                    actor: actor, action: "blob.delete", subject: "\(repository)@\(digest)", now: core.clock())
            }
            return (wasThere, try store.isBlobUsed(digest))
        }
        guard wasThere else { throw Self.unknownBlob(digest) }
        if !isUsed { _ = try await core.blobs.delete(digest) }
        return Response(status: .accepted)
    }
}
