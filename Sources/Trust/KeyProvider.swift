internal import CLibcrypto
private import Glibc

/// Which of OpenSSL's providers implement a key.
///
/// A TPM's provider has a library context of its own: in the common one it would offer its slow digests and random
/// numbers to the whole process.
enum CryptoProvider: Sendable, Hashable {
    /// Those that the system's configuration of OpenSSL loads.
    case standard
    /// `tpm2` (tpm2-openssl), for keys that a TPM 2.0 holds or has wrapped.
    case tpm

    /// Runs `body` with the library context to work in (nil is the common one), and alone where that is needed.
    ///
    /// Throws `tokenUnavailable` where the provider cannot be loaded; the next call tries again.
    func exclusively<Value>(_ body: (OpaquePointer?) throws -> Value) throws -> Value {
        switch self {
        case .standard: try body(nil)
        case .tpm: try TPMContext.turn.run { try body(try TPMContext.opened()) }
        }
    }

    /// Runs `body` while nobody else uses this provider's hardware through this process.
    func lock<Value>(_ body: () throws -> Value) rethrows -> Value {
        switch self {
        case .standard: try body()
        case .tpm: try TPMContext.turn.run(body)
        }
    }
}

/// The one connection of this process to the TPM.
private enum TPMContext {
    /// Version 1.1 of tpm2-openssl has one unguarded connection to the TPM for each library context. Recursive, because
    /// the last reference to a key may go while the lock is held.
    static let turn = RecursiveLock()

    /// Guarded by `turn`. Lives as long as the process: keys refer to it.
    private nonisolated(unsafe) static var context: OpaquePointer?

    static func opened() throws -> OpaquePointer {
        if let context { return context }
        let made = try Libcrypto.check(OSSL_LIB_CTX_new(), "OSSL_LIB_CTX_new")
        guard OSSL_PROVIDER_load(made, "default") != nil, OSSL_PROVIDER_load(made, "tpm2") != nil else {
            let error = Libcrypto.failure(.tokenUnavailable, "OpenSSL's provider tpm2 does not start")
            OSSL_LIB_CTX_free(made)
            throw error
        }
        context = made
        return made
    }
}

/// A lock that its holder may take again.
private final class RecursiveLock: @unchecked Sendable {
    /// Used through pthread's functions alone; never moved.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    init() {
        var attributes = pthread_mutexattr_t()
        pthread_mutexattr_init(&attributes)
        pthread_mutexattr_settype(&attributes, Int32(PTHREAD_MUTEX_RECURSIVE))
        pthread_mutex_init(mutex, &attributes)
        pthread_mutexattr_destroy(&attributes)
    }

    func run<Value>(_ body: () throws -> Value) rethrows -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }
}
