package import MartletTypes

/// Why a document or an archive of a release was refused. Names the document and the field.
package struct BundleError: MartletError, Equatable {
    /// Stable codes.
    package enum Code: String, Sendable, CaseIterable {
        /// The document is not JSON of the expected form.
        case malformed
        /// A field that must be there is absent.
        case missing
        /// A field has a value that its rule refuses.
        case invalid
        /// A media type, schema or kind that this version does not know.
        case unsupported
        /// More bytes or entries than the limit.
        case tooLarge
        /// The same digest, name or row twice.
        case duplicate
        /// A file name that could leave its folder.
        case unsafeName
        /// The bytes are not those that the digest names.
        case digestMismatch
        /// The length is not the one that was promised.
        case sizeMismatch
        /// Two fields contradict each other.
        case contradiction
        /// An archive entry that is not a plain file or folder of an OCI layout.
        case forbiddenEntry
        /// An archive could not be read or written.
        case archiveFailed
        /// The disk or a file failed while writing.
        case storageFailed
    }

    /// What happened.
    package let reason: Code
    /// The document, e.g. `release index`, `variant manifest`, `evaluation set`.
    package let document: String
    /// The field or entry, e.g. `manifests[2].size`.
    package let field: String
    /// What is wrong, as the end of a sentence.
    package let detail: String

    package init(_ reason: Code, _ document: String, _ field: String, _ detail: String) {
        self.reason = reason
        self.document = document
        self.field = String(field.prefix(Limits.quotedValueCharacters))
        self.detail = String(detail.prefix(BundleLimits.detailCharacters))
    }

    package var code: String { reason.rawValue }
    package var message: String {
        field.isEmpty ? "The \(document) was refused: \(detail)." : "The \(document) was refused: \(field) \(detail)."
    }
    package var remedy: String {
        switch reason {
        case .storageFailed: "Check free space and permissions, then try again."
        case .digestMismatch, .sizeMismatch: "Fetch it again; if it stays so, the copy at the source is damaged."
        case .unsupported: "Update Martlet on this machine, or publish in a form that it knows."
        case .archiveFailed, .forbiddenEntry: "Make the archive again with `martlet export`."
        default: "Correct the field and publish again."
        }
    }
    package var fault: ErrorFault { reason == .storageFailed ? .environment : .peer }
}

/// Bounds of documents and archives that only this target needs.
package enum BundleLimits {
    /// How much of a cause an error repeats.
    package static let detailCharacters = 300
    /// Annotations on one descriptor, manifest or index.
    package static let annotations = 128
    /// Length of one annotation's value; the largest is the shape of a model.
    package static let annotationBytes = 16 * 1024
    /// A media type: RFC 6838 section 4.2 allows 127 characters on each side of the slash.
    package static let mediaTypeBytes = 255
    /// A file name: `NAME_MAX` of Linux.
    package static let fileNameBytes = 255
    /// CPU features one variant may demand.
    package static let cpuFeatures = 32
    /// Quantization types in one shape: GGML has under 50.
    package static let tensorTypes = 64
    /// A model card, a licence text or a chat template.
    package static let documentBytes = 1024 * 1024
    /// The probes of a release.
    package static let probesBytes = 256 * 1024
    /// Bytes of one JSON line of an evaluation set.
    package static let evaluationRowBytes = 64 * 1024
    /// Entries in an archive: layers of all variants, metadata and folders, with room.
    package static let archiveEntries = 100_000
    /// A path inside an archive.
    package static let archivePathBytes = 512
}
