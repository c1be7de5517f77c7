internal import NIOCore
internal import NIOPosix

/// The one event loop of the runtime: the gateway and the client of engines share it.
///
/// It lives as long as the process, as NIO's own singleton does; that one has a thread for each core, which a small
/// board has no memory for.
enum RuntimeLoop {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    static var loop: any EventLoop { group.any() }
}

extension TimeAmount {
    /// The nearest whole nanosecond, within what NIO can count.
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let bounded = Swift.min(Swift.max(seconds, 0), 1_000_000_000)
        self = .nanoseconds(bounded * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

extension Duration {
    /// As a number of seconds.
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}
