internal import CLibcrypto

/// Hands a passphrase to libcrypto's callback, asked for only when a key turns out to be encrypted.
///
/// Without a callback libcrypto would read from the terminal by itself.
final class PassphraseCallback {
    private let provide: () throws -> [UInt8]?
    private var wasAsked = false
    private var wasGiven = false
    private var thrown: (any Error)?

    init(_ provide: @escaping () throws -> [UInt8]?) { self.provide = provide }

    /// What libcrypto passes back to the callback; valid as long as this object lives.
    var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    /// A method of libcrypto's user interface that asks here; to be destroyed by the caller.
    func method() throws -> OpaquePointer {
        try Libcrypto.check(UI_UTIL_wrap_read_pem_callback(passphraseCallback, 0), "UI_UTIL_wrap_read_pem_callback")
    }

    /// Asks now, for what takes a text; throws `passphraseNeeded` where there is none.
    func text() throws -> String {
        wasAsked = true
        guard let secret = try provide() else { throw TrustError(.passphraseNeeded, "The token's PIN is needed.") }
        wasGiven = true
        return String(decoding: secret, as: UTF8.self)
    }

    fileprivate func answer(into buffer: UnsafeMutablePointer<CChar>, size: Int32) -> Int32 {
        wasAsked = true
        do {
            guard let secret = try provide(), secret.count <= Int(size) else { return -1 }
            wasGiven = true
            for (index, byte) in secret.enumerated() { buffer[index] = CChar(bitPattern: byte) }
            return Int32(secret.count)
        } catch {
            thrown = error
            return -1
        }
    }

    /// Why no key came out: the passphrase source's own error is thrown, all else returned.
    func failure(what: String) throws -> TrustError {
        if let thrown {
            ERR_clear_error()
            throw thrown
        }
        if wasGiven { return Libcrypto.failure(.badPassphrase, "The passphrase does not open \(what)") }
        if wasAsked { return Libcrypto.failure(.passphraseNeeded, "\(what) is encrypted") }
        return Libcrypto.failure(.keyUnreadable, "\(what) holds no private key")
    }
}

/// libcrypto's `pem_password_cb`; `context` is that of a `PassphraseCallback`, and -1 says that there is no passphrase.
func passphraseCallback(
    buffer: UnsafeMutablePointer<CChar>?, size: Int32, isWriting: Int32, context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let buffer, let context else { return -1 }
    return Unmanaged<PassphraseCallback>.fromOpaque(context).takeUnretainedValue().answer(into: buffer, size: size)
}
