internal import CLibcrypto

/// Message authentication codes: HMAC (RFC 2104) over SHA-256.
package enum MessageCode {
    /// The code's length.
    package static let bytes = 32

    /// HMAC-SHA256 of a message under a key of any length.
    package static func sha256(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        // libcrypto takes a null pointer for "the key of the last call", so an empty key gets an address too.
        let key = key.isEmpty ? [0] : key
        let made = HMAC(EVP_sha256(), key, Int32(key.count), message, message.count, &code, &count)
        guard made != nil, count == UInt32(bytes) else {
            preconditionFailure("libcrypto gave a code of \(count) bytes for HMAC-SHA256")
        }
        return Array(code.prefix(bytes))
    }
}
