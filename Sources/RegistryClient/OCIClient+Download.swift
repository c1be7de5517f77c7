internal import HTTPTypes
package import MartletTypes

extension OCIClient {
    /// Streams a blob, or a part of it, to `sink`; returns how many bytes came.
    ///
    /// `range` counts from 0 within `size`; nil is all. Exactly the bytes that were asked for arrive, or it throws. The
    /// whole blob's digest is for the caller to check: a download that resumes spans several calls.
    /// Throws `ClientError`, or what `sink` threw.
    @discardableResult
    package func download(
        _ digest: Digest, size: ByteCount, range: Range<Int64>? = nil, from repository: RepositoryName,
        speed: DownloadSpeed = DownloadSpeed(), to sink: @escaping BodySink
    ) async throws -> Int64 {
        var call = HTTPCall(.get, Self.blob(digest, repository))
        let subject = subject(call)
        let wanted = range ?? 0..<size.bytes
        guard wanted.lowerBound >= 0, wanted.upperBound <= size.bytes, !wanted.isEmpty || range == nil else {
            throw ClientError(.invalidCall, subject, "bytes \(wanted) do not lie within \(size.bytes)")
        }
        call.speed = speed
        let isPart = wanted != 0..<size.bytes
        if isPart { call.fields[.range] = "bytes=\(wanted.lowerBound)-\(wanted.upperBound - 1)" }
        let arrived = Counter()
        _ = try await http.download(call, limit: Int64(wanted.count)) { head in
            try Self.check(head, wanted, size, isPart: isPart, subject)
        } to: { piece in
            try sink(piece)
            arrived.add(Int64(piece.count))
        }
        guard arrived.value == Int64(wanted.count) else {
            throw ClientError(
                .malformedReply, subject, "\(arrived.value) bytes came where \(wanted.count) were asked for")
        }
        return arrived.value
    }

    private static func check(
        _ head: HTTPReply, _ wanted: Range<Int64>, _ size: ByteCount, isPart: Bool, _ subject: String
    ) throws(ClientError) {
        if isPart {
            let expected = "bytes \(wanted.lowerBound)-\(wanted.upperBound - 1)/\(size.bytes)"
            guard head.status == 206, head.fields[.contentRange] == expected else {
                throw ClientError(
                    .malformedReply, subject,
                    "\(expected) was asked for, the answer is status \(head.status) with "
                        + "\(head.fields[.contentRange] ?? "no range")", status: head.status)
            }
        } else if head.status != 200 {
            throw ClientError(.malformedReply, subject, "a part came where all was asked for", status: head.status)
        }
        if let length = head.fields[.contentLength], length != String(wanted.count) {
            throw ClientError(
                .malformedReply, subject, "\(length) bytes are announced where \(wanted.count) were promised")
        }
    }
}
