package import MartletTypes

/// Content-addressed bytes: what the registry serves to devices and takes from publishers.
///
/// A blob is there whole or not at all, under the digest that was checked when it came in. One behaviour suite runs
/// over every implementation.
package protocol BlobStore: Sendable {
    /// The blob's length, nil where it is absent.
    func size(of digest: Digest) async throws -> ByteCount?

    /// Where a blob's bytes are read from; nil where it is absent.
    func source(of digest: Digest) async throws -> BlobSource?

    /// Removes a blob; returns whether it was there. A reader that has it open goes on.
    func delete(_ digest: Digest) async throws -> Bool

    /// Opens an upload; throws `tooMany`, `diskFull`.
    func beginUpload() async throws -> UploadID

    /// Where an upload stands: its bytes so far. Throws `uploadUnknown`.
    func uploadOffset(of upload: UploadID) async throws -> ByteCount

    /// Adds bytes to an upload and returns its new length; the bytes are hashed on their way.
    ///
    /// Throws `uploadOffset` where `offset` is not the upload's length, `uploadBusy` where another call writes to it,
    /// `tooLarge`, `diskFull`; after any error the upload stands where it stood before.
    func append(_ bytes: [UInt8], at offset: ByteCount, to upload: UploadID) async throws -> ByteCount

    /// Ends an upload: its bytes become the blob `digest` in one step, durable on return; returns the length.
    ///
    /// Throws `digestMismatch` where they hash to something else; the upload is then gone.
    func finishUpload(_ upload: UploadID, as digest: Digest) async throws -> ByteCount

    /// Throws an upload away; throws `uploadUnknown`.
    func abortUpload(_ upload: UploadID) async throws

    /// Throws away uploads that nobody wrote to since `moment`; returns how many.
    func expireUploads(untouchedSince moment: Timestamp) async throws -> Int
}

/// Where the bytes of a blob come from.
package enum BlobSource: Sendable {
    /// A local file that can be sent by the kernel, and its length.
    case file(path: String, size: ByteCount)
    /// Another origin serves the bytes; the client is sent there.
    case redirect(url: String, size: ByteCount)
    /// Bytes that pass through this process, read in ranges.
    case stream(size: ByteCount, read: @Sendable (Range<Int64>) async throws -> [UInt8])

    /// The blob's length.
    package var size: ByteCount {
        switch self {
        case .file(_, let size), .redirect(_, let size), .stream(let size, _): size
        }
    }
}

/// The name of an upload: 32 hexadecimal digits, random, so that nobody guesses another's.
package struct UploadID: ValidatedString {
    package let text: String

    package init(_ text: String) throws(InvalidValue) {
        let isHex = text.utf8.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
        }
        guard text.utf8.count == 32, isHex else {
            throw InvalidValue(kind: "upload identity", value: text, rule: "32 lower-case hexadecimal digits")
        }
        self.text = text
    }

    /// A fresh one.
    package init(random generator: inout some RandomNumberGenerator) {
        text = Hex.encode((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }
}
