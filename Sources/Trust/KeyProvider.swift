internal import CLibcrypto
internal import Synchronization

/// Which of OpenSSL's providers open a key.
///
/// A TPM's provider has a library context of its own: in the common one it would offer its slow digests and random
/// numbers to the whole process.
enum CryptoProvider: Sendable, Hashable {
    /// Those that the system's configuration of OpenSSL loads.
    case standard
    /// `tpm2` (tpm2-openssl), for keys that a TPM 2.0 holds or has wrapped.
    case tpm
}

/// The one connection of this process to its TPM.
///
/// Version 1.1 of tpm2-openssl does not guard the connection of a library context, so one caller at a time has it.
enum TPMConnection {
    /// What chooses the TPM's implementation of an algorithm where the standard one knows it too.
    static let properties = "provider=tpm2"

    /// Lives as long as the process: keys refer to it. The pointer is guarded by the lock.
    fileprivate struct Context: @unchecked Sendable {
        var pointer: OpaquePointer?
        /// Keys by URI, or by their wrapped text. The TPM's software stack knows a key that the TPM keeps under one
        /// number, and whoever lets go of it takes it from all others; of wrapped ones a TPM without a resource manager
        /// has room for three. So each is opened once and never let go of.
        var keys: [String: TPMSigner] = [:]
        var failed: [TPMSigner] = []
    }

    private static let context = Mutex(Context())

    /// Runs `body` alone, with the library context to work in.
    ///
    /// Throws `tokenUnavailable` where the provider cannot be loaded; the next call tries again.
    static func exclusively<Value: Sendable>(_ body: (OpaquePointer) throws -> Value) throws -> Value {
        try context.withLock { try body(try $0.opened()) }
    }

    /// The key of this name: opened by `open`, or known from before.
    static func key(_ name: String, open: (OpaquePointer) throws -> TPMSigner) throws -> TPMSigner {
        try context.withLock { context in
            if let known = context.keys[name] { return known }
            let key = try open(try context.opened())
            context.keys[name] = key
            return key
        }
    }

    /// Opens a key anew next time, with a passphrase that may be right.
    static func forget(_ key: TPMSigner) {
        context.withLock { context in
            guard let name = context.keys.first(where: { $0.value === key })?.key else { return }
            context.keys[name] = nil
            context.failed.append(key)
        }
    }
}

extension TPMConnection.Context {
    fileprivate mutating func opened() throws -> OpaquePointer {
        if let pointer { return pointer }
        let made = try Libcrypto.check(OSSL_LIB_CTX_new(), "OSSL_LIB_CTX_new")
        guard OSSL_PROVIDER_load(made, "default") != nil, OSSL_PROVIDER_load(made, "tpm2") != nil else {
            let error = Libcrypto.failure(.tokenUnavailable, "OpenSSL's provider tpm2 does not start")
            OSSL_LIB_CTX_free(made)
            throw error
        }
        pointer = made
        return made
    }
}
