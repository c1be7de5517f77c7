internal import CLibcrypto

/// A running hash over libcrypto's EVP interface, which uses the processor's SHA extensions.
///
/// Not thread-safe; one owner feeds it. Guard of the unchecked conformance: it cannot be copied, so it has one owner,
/// and libcrypto's context is bound to no thread.
package struct DigestHasher: ~Copyable, @unchecked Sendable {
    /// The hash function in use.
    package let algorithm: Digest.Algorithm
    private let context: OpaquePointer?

    package init(_ algorithm: Digest.Algorithm = .sha256) {
        self.algorithm = algorithm
        context = EVP_MD_CTX_new()
        EVP_DigestInit_ex(context, algorithm == .sha256 ? EVP_sha256() : EVP_sha512(), nil)
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes to the hash.
    package func update(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// Adds bytes to the hash.
    package func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// The digest of all that was added. Ends the hasher.
    package consuming func finish() -> Digest {
        var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        EVP_DigestFinal_ex(context, &bytes, &count)
        do {
            return try Digest(algorithm: algorithm, bytes: Array(bytes.prefix(Int(count))))
        } catch {
            preconditionFailure("libcrypto gave a digest of \(count) bytes for \(algorithm)")
        }
    }
}

extension Digest {
    /// The digest of bytes that are already in memory.
    package static func of(_ bytes: [UInt8], _ algorithm: Algorithm = .sha256) -> Digest {
        let hasher = DigestHasher(algorithm)
        hasher.update(bytes)
        return hasher.finish()
    }
}
