import HTTPTypes
import Hummingbird
import MartletTypes
import NIOCore

extension Response {
    /// Makes it the last answer on its connection, which is closed a moment after it was written, and in any case after
    /// `ServerLimits.cutLimit`: on a busy machine it may be written late, to a slow reader never.
    mutating func closeAfterwards(_ channel: any Channel) {
        headers[.connection] = "close"
        channel.close(in: ServerLimits.cutLimit)
        let content = body
        body = ResponseBody(contentLength: content.contentLength) { writer in
            try await content.write(writer)
            // Closed with bytes of the other side unread, the kernel would take back what it has not fetched yet.
            channel.close(in: ServerLimits.cutDelay)
        }
    }
}

extension Channel {
    /// Closes it after a while, on its event loop; harmless where it is closed already.
    func close(in delay: Duration) {
        eventLoop.scheduleTask(in: TimeAmount(delay)) { self.close(promise: nil) }
    }
}
