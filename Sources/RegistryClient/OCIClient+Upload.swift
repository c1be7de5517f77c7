internal import HTTPTypes
internal import MartletAPI
package import MartletTypes

/// Where the bytes of a blob are before they are uploaded.
package enum BlobSource: Sendable {
    case bytes([UInt8])
    /// A file that nobody changes meanwhile.
    case file(path: String)
}

/// How a blob came to be in the repository.
package enum UploadOutcome: Sendable, Equatable {
    /// It was there.
    case existing
    /// It was taken over from another repository of the same registry.
    case mounted
    /// It was sent; `resumedAt` is where an earlier upload had stopped, 0 for a fresh one.
    case uploaded(resumedAt: Int64)
}

extension OCIClient {
    /// Makes sure that a repository has a blob: looks, mounts it from `source` where given, else sends it in chunks.
    ///
    /// The open upload is remembered in `journal`, so that a killed one goes on where it stood. Failures of the way are
    /// tried again `ClientLimits.uploadAttempts` times without progress. `progress` hears what the registry has.
    package func upload(
        _ blob: BlobSource, digest: Digest, size: ByteCount, to repository: RepositoryName,
        mountingFrom source: RepositoryName? = nil, journal: UploadJournal? = nil,
        progress: @Sendable (Int64) -> Void = { _ in }
    ) async throws -> UploadOutcome {
        if let found = try await blobSize(digest, in: repository) {
            guard found == size else {
                throw ClientError(
                    .digestMismatch, Self.blob(digest, repository),
                    "the registry has \(found.bytes) bytes under this digest, \(size.bytes) are to be sent")
            }
            progress(size.bytes)
            return .existing
        }
        var upload = Upload(blob: blob, digest: digest, size: size.bytes, repository: repository, journal: journal)
        let remembered = try await resume(&upload)
        if !remembered {
            if try await begin(&upload, mountingFrom: source) {
                progress(size.bytes)
                return .mounted
            }
        }
        let resumedAt = upload.offset
        progress(resumedAt)
        try await sendChunks(&upload, progress)
        return .uploaded(resumedAt: resumedAt)
    }

    /// Mounts a blob that is known to be in `source`; throws where the registry wants it sent instead.
    package func mount(_ digest: Digest, from source: RepositoryName, to repository: RepositoryName) async throws {
        if try await blobSize(digest, in: repository) != nil { return }
        var upload = Upload(blob: .bytes([]), digest: digest, size: 0, repository: repository, journal: nil)
        guard try await begin(&upload, mountingFrom: source) else {
            _ = try? await http.perform(HTTPCall(.delete, upload.target), limit: ClientLimits.errorBodyBytes)
            throw ClientError(
                .unexpectedStatus, Self.blob(digest, repository),
                "the registry does not take this blob over from \(source)", status: 202)
        }
    }

    /// What is known of an upload that is under way.
    private struct Upload {
        let blob: BlobSource
        let digest: Digest
        let size: Int64
        let repository: RepositoryName
        let journal: UploadJournal?
        /// Path and query of the open upload.
        var target = ""
        /// How many bytes the registry has.
        var offset: Int64 = 0
    }

    /// Asks for a remembered upload; false where there is none that still lives.
    private func resume(_ upload: inout Upload) async throws -> Bool {
        guard let journal = upload.journal,
            let target = try journal.target(of: upload.digest, in: upload.repository, at: http.origin)
        else { return false }
        upload.target = target
        if try await synchronize(&upload) { return true }
        try journal.forget(upload.digest, in: upload.repository, at: http.origin)
        return false
    }

    /// Opens an upload; true where the blob was mounted instead.
    private func begin(_ upload: inout Upload, mountingFrom source: RepositoryName?) async throws -> Bool {
        var target = "/v2/\(upload.repository)/blobs/uploads/"
        if let source {
            target += "?mount=\(PercentEncoding.encode(upload.digest.text))&from=\(PercentEncoding.encode(source.text))"
        }
        let call = HTTPCall(.post, target)
        let reply = try await http.perform(call, limit: ClientLimits.errorBodyBytes)
        if reply.status == 201, source != nil { return true }
        guard reply.status == 202 else { throw ClientError(answer: reply, subject: subject(call)) }
        upload.offset = 0
        try follow(reply, &upload, call)
        return false
    }

    /// Takes over the upload's new address, which must be at the same origin, and remembers it.
    private func follow(_ reply: HTTPReply, _ upload: inout Upload, _ call: HTTPCall) throws {
        guard let location = reply.fields[.location] else {
            throw ClientError(.malformedReply, subject(call), "the answer has no Location")
        }
        guard let target = http.origin.target(of: location) else {
            throw ClientError(.foreignOrigin, subject(call), "the upload was sent to \(location)")
        }
        guard target != upload.target else { return }
        upload.target = target
        try upload.journal?.remember(target, of: upload.digest, in: upload.repository, at: http.origin)
    }

    /// Asks how far an upload is; false where the registry does not know it any more.
    private func synchronize(_ upload: inout Upload) async throws -> Bool {
        let call = HTTPCall(.get, upload.target)
        let reply = try await http.perform(call, limit: ClientLimits.errorBodyBytes)
        guard reply.status == 204 || reply.status == 200 else {
            if reply.status == 404 || reply.status == 400 { return false }
            throw ClientError(answer: reply, subject: subject(call))
        }
        upload.offset = try offset(after: reply, call)
        guard upload.offset <= upload.size else { return false }
        if reply.fields[.location] != nil { try follow(reply, &upload, call) }
        return true
    }

    /// `Range: 0-END` as the number of bytes that the registry has. `0-0` says none, for want of a better form.
    private func offset(after reply: HTTPReply, _ call: HTTPCall) throws -> Int64 {
        guard let text = reply.fields[.range] else { return 0 }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ends[0] == "0" || ends[0] == "bytes=0", let last = Int64(ends[1]), last >= 0,
            last < Limits.blobBytes
        else { throw ClientError(.malformedReply, subject(call), "\(text) is not a range from 0") }
        return last == 0 ? 0 : last + 1
    }

    /// Statuses of a registry that forgot the upload, or has another idea of how far it is.
    private static let lostPlace: [Int?] = [404, 416]

    private func sendChunks(_ upload: inout Upload, _ progress: @Sendable (Int64) -> Void) async throws {
        var failures = 0
        while true {
            let before = upload.offset
            do {
                guard upload.offset < upload.size else {
                    return try await finish(upload)
                }
                try await sendChunk(&upload)
                progress(upload.offset)
            } catch let error as ClientError where error.isTransient || Self.lostPlace.contains(error.status) {
                failures = upload.offset > before ? 0 : failures + 1
                guard failures < ClientLimits.uploadAttempts else { throw error }
                try await pause(failures)
                try await recover(&upload, error)
                if upload.offset > before { failures = 0 }
                progress(upload.offset)
            }
        }
    }

    /// After a failure: asks how far the registry is, or starts over where it forgot the upload.
    private func recover(_ upload: inout Upload, _ error: ClientError) async throws {
        do {
            if try await synchronize(&upload) { return }
        } catch let again as ClientError where again.isTransient {
            return
        }
        // The blob may be there already: the answer to the last call was what got lost.
        if try await blobSize(upload.digest, in: upload.repository) != nil {
            upload.offset = upload.size
            return
        }
        _ = try await begin(&upload, mountingFrom: nil)
    }

    private func sendChunk(_ upload: inout Upload) async throws {
        let length = min(Int64(chunkBytes), upload.size - upload.offset)
        var call = HTTPCall(.patch, upload.target, body: body(upload, length))
        call.fields[.contentType] = "application/octet-stream"
        call.fields[.contentRange] = "\(upload.offset)-\(upload.offset + length - 1)"
        let reply = try await http.perform(call, limit: ClientLimits.errorBodyBytes)
        guard reply.status == 202 else { throw ClientError(answer: reply, subject: subject(call)) }
        let acknowledged = reply.fields[.range] == nil ? upload.offset + length : try offset(after: reply, call)
        // A chunk of one byte at the very start is acknowledged as 0-0.
        upload.offset = upload.offset == 0 && length == 1 ? 1 : acknowledged
        guard upload.offset <= upload.size else {
            throw ClientError(.malformedReply, subject(call), "the registry claims more bytes than there are")
        }
        if reply.fields[.location] != nil { try follow(reply, &upload, call) }
    }

    private func body(_ upload: Upload, _ length: Int64) -> HTTPCall.Body {
        switch upload.blob {
        case .bytes(let bytes): .bytes(Array(bytes[Int(upload.offset)..<Int(upload.offset + length)]))
        case .file(let path): .file(path: path, offset: upload.offset, length: length)
        }
    }

    /// Closes the upload under its digest. The registry hashes and syncs meanwhile, so it may be silent for long.
    private func finish(_ upload: Upload) async throws {
        let separator = upload.target.contains("?") ? "&" : "?"
        let call = HTTPCall(
            .put, upload.target + separator + "digest=" + PercentEncoding.encode(upload.digest.text),
            patience: ClientLimits.commitPatience)
        let reply = try await http.perform(call, limit: ClientLimits.errorBodyBytes)
        if reply.status == 404, try await blobSize(upload.digest, in: upload.repository) != nil {
            try upload.journal?.forget(upload.digest, in: upload.repository, at: http.origin)
            return
        }
        if reply.status == 201 || !ClientError(answer: reply, subject: "").isTransient {
            try upload.journal?.forget(upload.digest, in: upload.repository, at: http.origin)
        }
        guard reply.status == 201 else { throw ClientError(answer: reply, subject: subject(call)) }
    }
}

extension ClientLimits {
    /// Silence while a registry makes an upload durable: hashing and syncing tens of GiB.
    static let commitPatience = Duration.seconds(600)
}
