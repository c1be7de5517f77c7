/// An HTTP/1.1 client of one origin over libcurl, on a thread of its own.
///
/// TLS 1.2 or later with host verification always; no redirects; credentials go to the pinned origin and nowhere else.
/// Cancelling the calling task ends its transfer. Whoever makes a client closes it: `close()` ends the thread.
package final class HTTPClient: Sendable {
    /// Where every call goes.
    package let origin: Origin
    /// How it connects.
    package let configuration: HTTPClientConfiguration
    private let loop: TransferLoop

    /// Starts the thread; connects with the first call.
    package init(origin: Origin, configuration: HTTPClientConfiguration = .init()) throws(ClientError) {
        guard origin.scheme == .https || origin.isLoopback || configuration.bearerToken == nil else {
            throw ClientError(.insecureOrigin, origin.text, "a token must not cross the network without TLS")
        }
        guard !configuration.acceptsAnyPeer || (configuration.bearerToken == nil && configuration.identity == nil)
        else {
            throw ClientError(.invalidCall, origin.text, "credentials must not go to a peer that is not checked")
        }
        self.origin = origin
        self.configuration = configuration
        loop = try TransferLoop(origin: origin, threadStart: configuration.threadStart)
    }

    /// Sends a call and returns its answer, whatever its status, with a body of at most `limit` bytes.
    ///
    /// A redirect is an error (`redirected`).
    package func perform(_ call: HTTPCall, limit: Int) async throws(ClientError) -> HTTPReply {
        let transfer = try Transfer(
            call: call, origin: origin, configuration: configuration, destination: .memory(limit: limit))
        switch await run(transfer) {
        case .reply(let reply): return reply
        case .failed(let error): throw error
        case .refusedBySink(let error):
            throw ClientError(.clientFailed, transfer.subject, "a sink failed where there is none: \(error)")
        }
    }

    /// Sends a call and streams the body of a 200 or 206 to `sink`; anything above `limit` bytes is `tooLarge`.
    ///
    /// Any other status is thrown as the registry's problem. Throws `ClientError`, or what `check` or `sink` threw.
    package func download(
        _ call: HTTPCall, limit: Int64, check: @escaping HeadCheck = { _ in }, to sink: @escaping BodySink
    ) async throws -> HTTPReply {
        let transfer = try Transfer(
            call: call, origin: origin, configuration: configuration,
            destination: .sink(limit: limit, check: check, sink: sink))
        switch await run(transfer) {
        case .reply(let reply): return reply
        case .failed(let error): throw error
        case .refusedBySink(let error): throw error
        }
    }

    /// Ends all transfers (`closed`) and the thread; returns when both are gone.
    package func close() async {
        await loop.close()
    }

    private func run(_ transfer: Transfer) async -> Transfer.Outcome {
        await withTaskCancellationHandler {
            await withCheckedContinuation { loop.start(transfer, $0) }
        } onCancel: {
            transfer.cancel()
            loop.cancel(transfer)
        }
    }
}
