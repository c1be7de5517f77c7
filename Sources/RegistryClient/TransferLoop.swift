internal import CCurl
internal import Glibc
internal import Synchronization

/// The thread that drives all transfers of one client through `curl_multi`.
///
/// `multi`, `active` and `queue` belong to that thread alone; others reach it through `inbox` and a wake-up.
final class TransferLoop: @unchecked Sendable {
    private enum Command {
        case start(Transfer, CheckedContinuation<Transfer.Outcome, Never>)
        case cancel(Transfer)
    }

    private struct Inbox {
        var commands: [Command] = []
        var isClosed = false
        var hasEnded = false
        var waiters: [CheckedContinuation<Void, Never>] = []
        /// Nil once somebody saw to its end.
        var thread: pthread_t?
    }

    private struct Active {
        let transfer: Transfer
        let continuation: CheckedContinuation<Transfer.Outcome, Never>
    }

    /// Guards everything that callers and the thread share.
    private let inbox = Mutex(Inbox())
    private let multi: UnsafeMutableRawPointer
    private let threadStart: @Sendable () -> Void
    private var active: [UnsafeMutableRawPointer: Active] = [:]
    private let queue = ReceiveQueue()

    private static let isInitialized = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    init(origin: Origin, threadStart: @escaping @Sendable () -> Void) throws(ClientError) {
        self.threadStart = threadStart
        guard Self.isInitialized, let multi = curl_multi_init() else {
            throw ClientError(.clientFailed, origin.text, "libcurl did not start")
        }
        self.multi = multi
        martlet_curl_multi_set_long(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, ClientLimits.connections)
        martlet_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, ClientLimits.connections)
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(&thread, nil, Self.main, context.toOpaque())
        guard code == 0 else {
            context.release()
            curl_multi_cleanup(multi)
            throw ClientError(.clientFailed, origin.text, "no thread could be started (error \(code))")
        }
        inbox.withLock { $0.thread = thread }
    }

    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
        // Signals are for the process's own threads; a broken connection must be an error here, not SIGPIPE.
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, nil)
        if let context { Unmanaged<TransferLoop>.fromOpaque(context).takeRetainedValue().run() }
        return nil
    }

    func start(_ transfer: Transfer, _ continuation: CheckedContinuation<Transfer.Outcome, Never>) {
        if !post(.start(transfer, continuation)) {
            continuation.resume(returning: .failed(transfer.error(.closed, "the client was closed")))
        }
    }

    func cancel(_ transfer: Transfer) {
        _ = post(.cancel(transfer))
    }

    /// Wakes the thread within the lock: once `isClosed` was seen under it, nobody touches `multi` any more.
    private func post(_ command: Command) -> Bool {
        inbox.withLock { inbox in
            guard !inbox.isClosed else { return false }
            inbox.commands.append(command)
            curl_multi_wakeup(multi)
            return true
        }
    }

    func close() async {
        await withCheckedContinuation { waiter in
            let hasEnded = inbox.withLock { inbox in
                if !inbox.isClosed { curl_multi_wakeup(multi) }
                inbox.isClosed = true
                if !inbox.hasEnded { inbox.waiters.append(waiter) }
                return inbox.hasEnded
            }
            if hasEnded { waiter.resume() }
        }
        // What libraries keep for each thread is given back as it ends, which must be over before a process that ends
        // takes down the libraries themselves.
        let thread = inbox.withLock { inbox in
            defer { inbox.thread = nil }
            return inbox.thread
        }
        if let thread { pthread_join(thread, nil) }
    }

    private func run() {
        threadStart()
        while true {
            let (commands, isClosed) = inbox.withLock { inbox in
                defer { inbox.commands = [] }
                return (inbox.commands, inbox.isClosed)
            }
            for command in commands { obey(command) }
            if isClosed { break }
            while let easy = queue.next() { goOn(easy) }
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            finishDone()
            let longest = ClientLimits.idlePollMilliseconds
            let time = queue.milliseconds.map { min(Int32(clamping: $0), longest) } ?? longest
            curl_multi_poll(multi, nil, 0, time, nil)
        }
        for (easy, entry) in active {
            finish(easy, entry, .failed(entry.transfer.error(.closed, "the client was closed")))
        }
        active = [:]
        curl_multi_cleanup(multi)
        let waiters = inbox.withLock { inbox in
            inbox.hasEnded = true
            defer { inbox.waiters = [] }
            return inbox.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private func obey(_ command: Command) {
        switch command {
        case .start(let transfer, let continuation):
            guard !transfer.isCancelled else {
                continuation.resume(returning: .failed(transfer.error(.cancelled, "it was cancelled")))
                return
            }
            switch transfer.makeHandle() {
            case .success(let easy):
                transfer.turn = (queue, easy)
                active[easy] = Active(transfer: transfer, continuation: continuation)
                curl_multi_add_handle(multi, easy)
            case .failure(let error):
                continuation.resume(returning: .failed(error))
            }
        case .cancel(let transfer):
            guard let (easy, entry) = active.first(where: { $0.value.transfer === transfer }) else { return }
            active[easy] = nil
            finish(easy, entry, .failed(transfer.error(.cancelled, "it was cancelled")))
        }
    }

    /// Offers a transfer again what it could not take; what it cannot take now ends it.
    private func goOn(_ easy: UnsafeMutableRawPointer) {
        let result = curl_easy_pause(easy, CURLPAUSE_CONT)
        guard result != CURLE_OK, let entry = active.removeValue(forKey: easy) else { return }
        finish(easy, entry, entry.transfer.outcome(result, easy))
    }

    private func finishDone() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else { continue }
            let result = message.pointee.data.result
            guard let entry = active.removeValue(forKey: easy) else { continue }
            finish(easy, entry, entry.transfer.outcome(result, easy))
        }
    }

    private func finish(_ easy: UnsafeMutableRawPointer, _ entry: Active, _ outcome: Transfer.Outcome) {
        queue.leave(easy)
        curl_multi_remove_handle(multi, easy)
        curl_easy_cleanup(easy)
        entry.transfer.turn = nil
        entry.transfer.release()
        entry.continuation.resume(returning: outcome)
    }
}
