internal import CCurl
internal import Glibc
internal import HTTPTypes
internal import Synchronization

/// One exchange: what libcurl's callbacks read and write while it runs.
///
/// Made by the caller, then touched by the loop's thread alone; `cancelled` has a guard of its own.
final class Transfer: @unchecked Sendable {
    enum Destination {
        case memory(limit: Int)
        case sink(limit: Int64, check: HeadCheck, sink: BodySink)
    }

    enum Outcome: Sendable {
        case reply(HTTPReply)
        case failed(ClientError)
        case refusedBySink(any Error)
    }

    let call: HTTPCall
    let origin: Origin
    let configuration: HTTPClientConfiguration
    let destination: Destination
    /// Method, origin and path for errors, without the query.
    let subject: String
    private let cancelled = Mutex(false)

    var head = ReplyHead()
    var body: [UInt8] = []
    private var received: Int64 = 0
    private var headIsChecked = false
    private var failure: ClientError?
    private var sinkError: (any Error)?
    /// Offset of the next byte of the request's body, from the body's start.
    private var sent: Int64 = 0
    private var file: Int32 = -1
    var fieldList: UnsafeMutablePointer<curl_slist>?
    /// Where it waits while the client receives too fast, and its handle; set by the loop.
    var turn: (queue: ReceiveQueue, easy: UnsafeMutableRawPointer)?
    let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init(
        call: HTTPCall, origin: Origin, configuration: HTTPClientConfiguration, destination: Destination
    ) throws(ClientError) {
        let path = call.target.prefix { $0 != "?" }
        subject = "\(call.method.rawValue) \(origin)\(path)"
        self.call = call
        self.origin = origin
        self.configuration = configuration
        self.destination = destination
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        guard call.target.hasPrefix("/"), call.target.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != 0x23 })
        else { throw error(.invalidCall, "\(call.target.debugDescription) is not a path on the registry") }
        if case .file(let path, _, _) = call.body {
            file = open(path, O_RDONLY | O_CLOEXEC)
            guard file >= 0 else {
                throw error(.fileFailed, "\(path) cannot be opened: \(String(cString: strerror(errno)))")
            }
        }
    }

    deinit {
        release()
        errorText.deallocate()
    }

    var isCancelled: Bool { cancelled.withLock { $0 } }

    func cancel() { cancelled.withLock { $0 = true } }

    func error(_ reason: ClientError.Code, _ detail: String) -> ClientError {
        ClientError(reason, subject, detail)
    }

    /// Gives back what the exchange held besides its handle; may be called again.
    func release() {
        if file >= 0 { close(file) }
        file = -1
        curl_slist_free_all(fieldList)
        fieldList = nil
    }

    // MARK: - Sending

    /// Length of the request's body; nil where there is none.
    var bodyLength: Int64? {
        switch call.body {
        case .none: [.post, .put, .patch].contains(call.method) ? 0 : nil
        case .bytes(let bytes): Int64(bytes.count)
        case .file(_, _, let length): length
        }
    }

    /// Fills `buffer` from the request's body; nil ends the transfer.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        switch call.body {
        case .none: return 0
        case .bytes(let bytes):
            let count = min(buffer.count, bytes.count - Int(sent))
            bytes.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(sent)..<Int(sent) + count]))
            }
            sent += Int64(count)
            return count
        case .file(let path, let offset, let length):
            let wanted = Int(min(Int64(buffer.count), length - sent))
            guard wanted > 0 else { return 0 }
            let count = pread(file, buffer.baseAddress, wanted, off_t(offset + sent))
            guard count > 0 else {
                failure = error(
                    .fileFailed,
                    count == 0
                        ? "\(path) became shorter while it was sent" : "\(path): \(String(cString: strerror(errno)))")
                return nil
            }
            sent += Int64(count)
            return count
        }
    }

    /// Goes back in the request's body: libcurl does so when a kept connection turned out to be dead.
    func seek(to offset: Int64) -> Bool {
        guard let bodyLength, (0...bodyLength).contains(offset) else { return false }
        sent = offset
        return true
    }

    // MARK: - Receiving

    /// Takes one line of the answer's head; false ends the transfer.
    func receive(line: UnsafeRawBufferPointer) -> Bool {
        guard head.add(line) else {
            failure = error(.malformedReply, "the header is malformed or over \(ClientLimits.headerBytes) bytes")
            return false
        }
        return true
    }

    /// What may be received while this runs.
    var speed: DownloadSpeed {
        let shared = [configuration.maxReceiveSpeed, call.speed.shared].compactMap(\.self).min()
        return DownloadSpeed(shared: shared, own: call.speed.own)
    }

    /// Whether a piece of the body may be taken now; where not, the loop offers it again. Only what goes to a sink
    /// waits: documents are small, and others wait for them.
    func mayReceive(_ bytes: Int) -> Bool {
        guard bytes > 0, let turn, speed.least != nil else { return true }
        if case .sink = destination, isSuccess { return turn.queue.admits(bytes, of: turn.easy, at: speed) }
        turn.queue.count(bytes, speed.shared)
        return true
    }

    /// Takes a piece of the answer's body; false ends the transfer.
    func receive(body piece: UnsafeRawBufferPointer) -> Bool {
        received += Int64(piece.count)
        switch destination {
        case .memory(let limit):
            return collect(piece, limit: limit)
        case .sink(let limit, _, let sink):
            guard isSuccess else { return collect(piece, limit: ClientLimits.errorBodyBytes) }
            guard checkHead() else { return false }
            guard received <= limit else { return tooLarge(limit) }
            do {
                try sink(piece)
                return true
            } catch {
                sinkError = error
                return false
            }
        }
    }

    private func collect(_ piece: UnsafeRawBufferPointer, limit: Int) -> Bool {
        guard received <= limit else { return tooLarge(Int64(limit)) }
        body.append(contentsOf: piece)
        return true
    }

    private func tooLarge(_ limit: Int64) -> Bool {
        failure = error(.tooLarge, "the answer has more than \(limit) bytes")
        return false
    }

    private var isSuccess: Bool { head.status == 200 || head.status == 206 }

    /// Lets the caller see status and fields once, before the first byte of the body.
    private func checkHead() -> Bool {
        guard case .sink(_, let check, _) = destination, !headIsChecked else { return true }
        headIsChecked = true
        do {
            try check(HTTPReply(status: head.status, fields: head.fields, body: []))
            return true
        } catch {
            sinkError = error
            return false
        }
    }

    // MARK: - The end

    /// What became of the exchange once libcurl is done with it.
    func outcome(_ result: CURLcode, _ easy: UnsafeMutableRawPointer) -> Outcome {
        if let sinkError { return .refusedBySink(sinkError) }
        if let failure { return .failed(failure) }
        guard result == CURLE_OK else { return .failed(describe(result, easy)) }
        if [301, 302, 303, 307, 308].contains(head.status) {
            return .failed(error(.redirected, "the registry answered \(head.status) and wants to send us elsewhere"))
        }
        let reply = HTTPReply(status: head.status, fields: head.fields, body: body)
        if case .sink = destination {
            guard isSuccess else { return .failed(ClientError(answer: reply, subject: subject)) }
            guard checkHead() else { return sinkError.map(Outcome.refusedBySink) ?? .reply(reply) }
        }
        return .reply(reply)
    }
}
