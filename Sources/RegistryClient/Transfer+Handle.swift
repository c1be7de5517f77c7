internal import CCurl
internal import HTTPTypes
internal import MartletTypes
internal import Trust

extension Transfer {
    /// A libcurl handle with every option set; called on the loop's thread.
    func makeHandle() -> Result<UnsafeMutableRawPointer, ClientError> {
        guard let easy = curl_easy_init() else {
            return .failure(error(.clientFailed, "libcurl gave no handle"))
        }
        var options = HandleOptions(easy: easy)
        let context = Unmanaged.passUnretained(self).toOpaque()
        options.set(CURLOPT_ERRORBUFFER, pointer: errorText)
        options.check(martlet_curl_on_header(easy, Self.onHeader, context))
        options.check(martlet_curl_on_write(easy, Self.onBody, context))
        applyRequest(&options, context)
        applyTLS(&options)
        applyPatience(&options)
        if options.failed != CURLE_OK {
            let text = String(cString: curl_easy_strerror(options.failed))
            curl_easy_cleanup(easy)
            return .failure(error(.clientFailed, "libcurl refused an option: \(text)"))
        }
        return .success(easy)
    }

    private func applyRequest(_ options: inout HandleOptions, _ context: UnsafeMutableRawPointer) {
        options.set(CURLOPT_URL, text: origin.text + call.target)
        // Without this libcurl would resolve `/../` in a path by itself and ask for another one than was checked.
        options.set(CURLOPT_PATH_AS_IS, 1)
        options.set(CURLOPT_PROTOCOLS_STR, text: "http,https")
        options.set(CURLOPT_FOLLOWLOCATION, 0)
        options.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        options.set(CURLOPT_HTTP09_ALLOWED, 0)
        options.set(CURLOPT_NOSIGNAL, 1)
        options.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        // libcurl's own limit of speed looks after up to a hundred buffers: smaller bodies would pass it by.
        let buffer = speed.least == nil ? ClientLimits.receiveBufferBytes : ClientLimits.pacedBufferBytes
        options.set(CURLOPT_BUFFERSIZE, buffer)
        options.set(CURLOPT_USERAGENT, text: configuration.userAgent)
        // An empty string turns off the proxies that the environment names.
        if origin.isLoopback || !configuration.followsEnvironmentProxy { options.set(CURLOPT_PROXY, text: "") }
        if call.method == .head {
            options.set(CURLOPT_NOBODY, 1)
        } else if let length = bodyLength {
            options.set(CURLOPT_UPLOAD, 1)
            options.check(martlet_curl_set_offset(options.easy, CURLOPT_INFILESIZE_LARGE, curl_off_t(length)))
            options.check(martlet_curl_on_read(options.easy, Self.onRead, context))
            options.check(martlet_curl_on_seek(options.easy, Self.onSeek, context))
            options.set(CURLOPT_CUSTOMREQUEST, text: call.method.rawValue)
        } else {
            options.set(CURLOPT_HTTPGET, 1)
            options.set(CURLOPT_CUSTOMREQUEST, text: call.method.rawValue)
        }
        for field in call.fields { append("\(field.name.rawName): \(field.value)") }
        if let token = configuration.bearerToken { append("Authorization: Bearer \(token)") }
        // libcurl would wait a second for `100 Continue` before each large body.
        append("Expect:")
        options.set(CURLOPT_HTTPHEADER, pointer: fieldList)
    }

    private func append(_ line: String) {
        // A value with a line end could smuggle in a second field.
        guard !line.utf8.contains(where: { $0 == 0x0a || $0 == 0x0d || $0 == 0 }),
            let list = curl_slist_append(fieldList, line)
        else { return }
        fieldList = list
    }

    private func applyTLS(_ options: inout HandleOptions) {
        options.set(CURLOPT_SSL_VERIFYPEER, configuration.acceptsAnyPeer ? 0 : 1)
        options.set(CURLOPT_SSL_VERIFYHOST, configuration.acceptsAnyPeer ? 0 : 2)
        options.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        if let authority = configuration.authorityPEM {
            // libcurl goes on trusting the system's folder of authorities beside CAINFO_BLOB until CAPATH is cleared.
            options.set(CURLOPT_CAPATH, text: nil)
            options.set(CURLOPT_CAINFO, text: nil)
            options.set(CURLOPT_CAINFO_BLOB, blob: authority)
        }
        if configuration.identity != nil || configuration.judgedAt != nil {
            let context = Unmanaged.passUnretained(self).toOpaque()
            options.check(martlet_curl_on_tls(options.easy, Self.onTLS, context))
        }
    }

    private func applyPatience(_ options: inout HandleOptions) {
        options.set(CURLOPT_CONNECTTIMEOUT_MS, max(1, configuration.connectTimeout.wholeMilliseconds))
        let patience = (call.patience ?? configuration.patience).wholeMilliseconds
        options.set(CURLOPT_LOW_SPEED_LIMIT, 1)
        options.set(CURLOPT_LOW_SPEED_TIME, max(1, (patience + 999) / 1000))
        if let deadline = call.deadline { options.set(CURLOPT_TIMEOUT_MS, max(1, deadline.wholeMilliseconds)) }
    }

    // MARK: - Callbacks of libcurl, on the loop's thread

    private static func transfer(_ context: UnsafeMutableRawPointer) -> Transfer {
        Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    }

    private static let onTLS: martlet_curl_tls = { _, tls, context in
        guard let context, let tls else { return CURLE_SSL_CERTPROBLEM }
        let configuration = transfer(context).configuration
        if let time = configuration.judgedAt?() { martlet_tls_judge_at(tls, time.seconds) }
        guard let identity = configuration.identity else { return CURLE_OK }
        let isTaken = identity.key.withEVP { key in
            identity.certificatePEM.withUnsafeBytes { martlet_tls_present(tls, $0.baseAddress, $0.count, key) }
        }
        return isTaken == 1 ? CURLE_OK : CURLE_SSL_CERTPROBLEM
    }

    private static let onHeader: martlet_curl_data = { bytes, size, count, context in
        guard let context else { return 0 }
        let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
        return transfer(context).receive(line: line) ? size * count : 0
    }

    private static let onBody: martlet_curl_data = { bytes, size, count, context in
        guard let context else { return 0 }
        let piece = UnsafeRawBufferPointer(start: bytes, count: size * count)
        guard transfer(context).mayReceive(piece.count) else { return Int(CURL_WRITEFUNC_PAUSE) }
        // Any count but the one that was given ends the transfer, so an empty piece is answered with 1.
        return transfer(context).receive(body: piece) ? size * count : (size * count == 0 ? 1 : 0)
    }

    private static let onRead: martlet_curl_data = { bytes, size, count, context in
        guard let context else { return Int(CURL_READFUNC_ABORT) }
        let buffer = UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
        return transfer(context).read(into: buffer) ?? Int(CURL_READFUNC_ABORT)
    }

    private static let onSeek: @convention(c) (UnsafeMutableRawPointer?, curl_off_t, Int32) -> Int32 = {
        context, offset, origin in
        guard let context, origin == 0, transfer(context).seek(to: Int64(offset)) else {
            return Int32(CURL_SEEKFUNC_FAIL)
        }
        return Int32(CURL_SEEKFUNC_OK)
    }
}

/// Sets options one after the other and keeps the first failure.
struct HandleOptions {
    let easy: UnsafeMutableRawPointer
    private(set) var failed = CURLE_OK

    init(easy: UnsafeMutableRawPointer) { self.easy = easy }

    mutating func check(_ code: CURLcode) {
        if failed == CURLE_OK { failed = code }
    }

    mutating func set(_ option: CURLoption, _ value: Int) {
        check(martlet_curl_set_long(easy, option, value))
    }

    mutating func set(_ option: CURLoption, text: String?) {
        check(martlet_curl_set_string(easy, option, text))
    }

    mutating func set(_ option: CURLoption, pointer: UnsafeMutableRawPointer?) {
        check(martlet_curl_set_pointer(easy, option, pointer))
    }

    mutating func set(_ option: CURLoption, blob: [UInt8]) {
        check(blob.withUnsafeBytes { martlet_curl_set_blob(easy, option, $0.baseAddress, $0.count) })
    }
}

extension Duration {
    /// Milliseconds, rounded down, within what libcurl's `long` takes.
    var wholeMilliseconds: Int {
        let parts = components
        return Int(clamping: parts.seconds.multipliedReportingOverflow(by: 1000).partialValue)
            + Int(parts.attoseconds / 1_000_000_000_000_000)
    }
}
