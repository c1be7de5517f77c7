internal import CLibcrypto

/// Owns one reference to an `EVP_PKEY`.
///
/// `@unchecked Sendable`: the key is never changed after it was made, and libcrypto counts references to it and locks
/// its caches itself (openssl-threads(7)); each operation makes a context of its own.
final class KeyHandle: @unchecked Sendable {
    let pointer: OpaquePointer
    /// Whether the private half stays in hardware.
    let isToken: Bool

    /// Takes over the reference.
    init(owning pointer: OpaquePointer, isToken: Bool = false) {
        self.pointer = pointer
        self.isToken = isToken
    }

    deinit { EVP_PKEY_free(pointer) }
}
