internal import CLibcrypto

/// Calls into libcrypto that fail leave their reasons in a queue of the thread; these read and empty it.
enum Libcrypto {
    /// A failure that should not happen, with libcrypto's own reason, the queue emptied.
    static func failure(_ what: String) -> TrustError { failure(.libcrypto, what) }

    /// An error with libcrypto's own reason, the queue emptied.
    static func failure(_ reason: TrustError.Reason, _ what: String) -> TrustError {
        var data: UnsafePointer<CChar>?
        var flags: Int32 = 0
        let code = ERR_peek_last_error_data(&data, &flags)
        // Tokens and TPMs tell what happened in the data alone.
        let details = flags & ERR_TXT_STRING != 0 ? data.map { String(cString: $0) } ?? "" : ""
        ERR_clear_error()
        guard code != 0 else { return TrustError(reason, what + ".") }
        var buffer = [CChar](repeating: 0, count: 256)
        ERR_error_string_n(code, &buffer, buffer.count)
        let text = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return TrustError(reason, "\(what): \(text)\(details.isEmpty ? "" : " (" + details + ")").")
    }

    /// Unwraps what libcrypto returned.
    static func check<Value>(_ value: Value?, _ what: String) throws(TrustError) -> Value {
        guard let value else { throw failure(what) }
        return value
    }

    /// Checks for libcrypto's 1.
    static func check(_ status: Int32, _ what: String) throws(TrustError) {
        guard status == 1 else { throw failure(what) }
    }

    /// What `write` writes into a memory BIO.
    static func bytes(_ what: String, _ write: (OpaquePointer) -> Int32) throws(TrustError) -> [UInt8] {
        let bio = try check(BIO_new(BIO_s_mem()), what)
        defer { BIO_free(bio) }
        try check(write(bio), what)
        var start: UnsafeMutablePointer<CChar>?
        let count = martlet_bio_memory(bio, &start)
        guard let start, count > 0 else { throw failure(what) }
        return UnsafeRawBufferPointer(start: start, count: count).map { $0 }
    }

    /// Lets `body` read bytes through a memory BIO.
    static func reading<Value>(_ bytes: [UInt8], _ body: (OpaquePointer) throws -> Value) throws -> Value {
        guard let length = Int32(exactly: bytes.count) else { throw TrustError(.libcrypto, "Too many bytes.") }
        return try bytes.withUnsafeBytes { buffer in
            let bio = try check(BIO_new_mem_buf(buffer.baseAddress, length), "BIO_new_mem_buf")
            defer { BIO_free(bio) }
            return try body(bio)
        }
    }

    /// Whether bytes look like PEM rather than DER.
    static func isPEM(_ bytes: [UInt8]) -> Bool {
        bytes.first.map { $0 != 0x30 } ?? false
    }
}
