package import MartletTypes

/// A pointer to bytes: media type, digest and length. Source: OCI image spec 1.1, descriptor.md.
package struct Descriptor: Sendable, Hashable, Codable {
    /// Media type of the bytes.
    package var mediaType: String
    /// Digest of the bytes.
    package var digest: Digest
    /// Length of the bytes; never negative once read.
    package var size: ByteCount
    /// Media type of what a manifest holds, copied up into an index.
    package var artifactType: String?
    /// Where it runs; only in an index.
    package var platform: Platform?
    /// Free text by key.
    package var annotations: [String: String]?

    package init(
        mediaType: String, digest: Digest, size: ByteCount, artifactType: String? = nil, platform: Platform? = nil,
        annotations: [String: String]? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.artifactType = artifactType
        self.platform = platform
        self.annotations = annotations
    }

    /// The descriptor of bytes that are in memory.
    package init(mediaType: String, of bytes: [UInt8], annotations: [String: String]? = nil) {
        self.init(
            mediaType: mediaType, digest: .of(bytes), size: ByteCount(bytes.count), annotations: annotations)
    }

    /// Whether `bytes` are those that it points to; throws `sizeMismatch` or `digestMismatch`.
    package func check(_ bytes: [UInt8], document: String) throws(BundleError) {
        guard Int64(bytes.count) == size.bytes else {
            throw BundleError(
                .sizeMismatch, document, digest.text, "has \(bytes.count) bytes where \(size.bytes) were promised")
        }
        let found = Digest.of(bytes, digest.algorithm)
        guard found == digest else {
            throw BundleError(.digestMismatch, document, digest.text, "was promised, \(found) was received")
        }
    }

    /// Checks what OCI demands of every descriptor, and the limits.
    func validate(_ document: String, _ field: String) throws(BundleError) {
        guard MediaTypeRule.holds(mediaType) else {
            throw BundleError(.invalid, document, field + ".mediaType", "is not a media type")
        }
        guard (0...Limits.blobBytes).contains(size.bytes) else {
            throw BundleError(.invalid, document, field + ".size", "is not between 0 and \(Limits.blobBytes) bytes")
        }
        try Annotations.validate(annotations, document, field + ".annotations")
    }
}

/// An operating system and processor. Source: OCI image spec 1.1, image-index.md.
package struct Platform: Sendable, Hashable, Codable, CustomStringConvertible {
    /// GOARCH, e.g. `arm64`, or `unknown`.
    package var architecture: String
    /// GOOS, e.g. `linux`, or `unknown`.
    package var os: String
    /// E.g. `v8`.
    package var variant: String?

    package init(architecture: String, os: String, variant: String? = nil) {
        self.architecture = architecture
        self.os = os
        self.variant = variant
    }

    /// Weights run anywhere: `unknown/unknown`, as build tools write it for what is not a program.
    package static let any = Platform(architecture: "unknown", os: "unknown")

    /// Whether something for this platform runs on `architecture` (GOARCH) under Linux.
    package func admits(architecture: String) -> Bool {
        self == .any || (os == "linux" && self.architecture == architecture)
    }

    package var description: String { [os, architecture, variant].compactMap(\.self).joined(separator: "/") }
}

enum MediaTypeRule {
    /// `type/subtype` of RFC 6838 section 4.2, without parameters.
    static func holds(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        return text.utf8.count <= BundleLimits.mediaTypeBytes && parts.count == 2 && parts.allSatisfy(isName)
    }

    private static func isName(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, isAlphanumeric(first) else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || "!#$&-^_.+".utf8.contains($0) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: false
        }
    }
}

enum Annotations {
    /// Checks number and length of annotations.
    static func validate(_ values: [String: String]?, _ document: String, _ field: String) throws(BundleError) {
        guard let values else { return }
        guard values.count <= BundleLimits.annotations else {
            throw BundleError(.tooLarge, document, field, "has more than \(BundleLimits.annotations) entries")
        }
        for (key, value) in values {
            guard !key.isEmpty, key.utf8.count + value.utf8.count <= BundleLimits.annotationBytes else {
                throw BundleError(
                    .tooLarge, document, field, "has an entry without key or over \(BundleLimits.annotationBytes) bytes"
                )
            }
        }
    }
}
