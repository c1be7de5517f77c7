import HTTPTypes
import Hummingbird
import MartletTypes
import NIOCore
import RegistryStore
import ServiceLifecycle
import Synchronization

/// Server-sent events that say only that something changed; the page then asks for itself again.
final class LiveStreams: Sendable {
    private let changes: any ChangeFeed
    private let count = Mutex(0)

    init(changes: any ChangeFeed) { self.changes = changes }

    /// One stream; throws 503 beyond the bound, where pages are simply refreshed by hand.
    func answer(on loop: any EventLoop) throws -> Response {
        let isFull = count.withLock { count in
            guard count < ServerLimits.liveStreams else { return true }
            count += 1
            return false
        }
        guard !isFull else {
            throw ServerError(503, "tooManyStreams", "Too many pages are open.", remedy: "Refresh the page by hand.")
        }
        let body = ResponseBody { [self] writer in
            let listener = changes.listen([.assignment, .device, .rollout, .metadata], nil)
            defer {
                changes.end(listener)
                count.withLock { $0 -= 1 }
            }
            try await withGracefulShutdownHandler {
                try await writer.write(ByteBuffer(string: "retry: 3000\n\n"))
                while true {
                    let alarm = loop.scheduleTask(in: TimeAmount(ServerLimits.liveSilence)) { listener.wake(.timeout) }
                    let wake = await listener.wait()
                    alarm.cancel()
                    switch wake {
                    case .change: try await writer.write(ByteBuffer(string: "event: change\ndata: {}\n\n"))
                    // A comment keeps proxies from closing it, and finds out that the other side is gone.
                    case .timeout: try await writer.write(ByteBuffer(string: ": still here\n\n"))
                    case .closed, .shutdown: return
                    }
                }
            } onGracefulShutdown: {
                listener.wake(.shutdown)
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store"], body: body)
    }
}
