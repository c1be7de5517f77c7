package import Hummingbird
package import Logging
package import NIOCore

/// What stands around a request: the connection it came on and where to log.
package struct ServerContext: InitializableFromSource, Sendable {
    /// The connection.
    package let channel: any Channel
    /// The log, with the request's number.
    package let logger: Logger

    package init(source: ApplicationRequestContextSource) {
        channel = source.channel
        logger = source.logger
    }

    /// The address of the other side without its port, for rate limits and the log.
    var peerAddress: String { channel.remoteAddress?.ipAddress ?? "unknown" }
}
