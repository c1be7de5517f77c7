/// The digest of some bytes, as OCI writes it: `sha256:<64 hex digits>`.
///
/// The only type from which storage paths are made, so that a string from outside never becomes a path.
/// Source: OCI image spec 1.1, descriptor.md, "Digests".
package struct Digest: ValidatedString {
    /// The hash functions that OCI registers.
    package enum Algorithm: String, Sendable, CaseIterable {
        case sha256
        case sha512

        /// Length of a digest in bytes.
        package var byteCount: Int { self == .sha256 ? 32 : 64 }
    }

    /// The hash function.
    package let algorithm: Algorithm
    /// The digest in lower-case hexadecimal.
    package let hex: String

    /// `algorithm:hex`.
    package var text: String { "\(algorithm.rawValue):\(hex)" }

    package init(_ text: String) throws(InvalidValue) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let algorithm = Algorithm(rawValue: String(parts[0])),
            parts[1].utf8.count == algorithm.byteCount * 2, parts[1].utf8.allSatisfy(Hex.isLowerHex)
        else {
            throw InvalidValue(
                kind: "digest", value: text, rule: "sha256: or sha512: and the digest in lower-case hexadecimal")
        }
        self.algorithm = algorithm
        hex = String(parts[1])
    }

    /// A digest from raw bytes, whose count must be that of the algorithm.
    package init(algorithm: Algorithm, bytes: [UInt8]) throws(InvalidValue) {
        guard bytes.count == algorithm.byteCount else {
            throw InvalidValue(kind: "digest", value: Hex.encode(bytes), rule: "\(algorithm.byteCount) bytes")
        }
        self.algorithm = algorithm
        hex = Hex.encode(bytes)
    }
}
