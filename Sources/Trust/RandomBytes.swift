private import CLibcrypto

/// Randomness for keys, serial numbers, tokens and nonces.
package enum RandomBytes {
    /// `count` bytes from libcrypto's generator; throws where it has no entropy.
    package static func make(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        guard let length = Int32(exactly: count) else {
            throw TrustError(.libcrypto, "Too many random bytes asked for.")
        }
        try Libcrypto.check(RAND_bytes(&bytes, length), "RAND_bytes")
        return bytes
    }
}

/// Comparison of secrets.
package enum ConstantTime {
    /// Whether two byte strings are equal, in a time that depends on their lengths only.
    package static func equals(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
    }

    /// Whether two texts have the same UTF-8 bytes, in a time that depends on their lengths only.
    package static func equals(_ left: String, _ right: String) -> Bool {
        equals(Array(left.utf8), Array(right.utf8))
    }
}
