internal import CLibcrypto

/// Owns one reference to an `EVP_PKEY`.
///
/// `@unchecked Sendable`: the key is never changed after it was made, and libcrypto counts references to it and locks
/// its caches itself (openssl-threads(7)); each operation makes a context of its own. What a provider does not guard
/// itself is done under that provider's lock, the release included.
final class KeyHandle: @unchecked Sendable {
    let pointer: OpaquePointer
    /// Whose key it is.
    let provider: CryptoProvider
    /// Whether the private half stays in hardware.
    let isToken: Bool

    /// Takes over the reference.
    init(owning pointer: OpaquePointer, of provider: CryptoProvider = .standard, isToken: Bool = false) {
        self.pointer = pointer
        self.provider = provider
        self.isToken = isToken || provider == .tpm
    }

    deinit { provider.lock { EVP_PKEY_free(pointer) } }
}
