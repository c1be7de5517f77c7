internal import CLibcrypto

/// Owns one reference to an `EVP_PKEY`.
///
/// `@unchecked Sendable`: the key is never changed after it was made, and libcrypto counts references to it and locks
/// its caches itself (openssl-threads(7)); each operation makes a context of its own.
final class KeyHandle: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Takes over the reference.
    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    deinit { EVP_PKEY_free(pointer) }
}
