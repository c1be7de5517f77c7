package import HTTPTypes

/// One request to the client's origin.
package struct HTTPCall: Sendable {
    /// What is sent.
    package enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// `length` bytes of a file from `offset`; the file must not change meanwhile.
        case file(path: String, offset: Int64, length: Int64)
    }

    /// The method.
    package var method: HTTPRequest.Method
    /// Path and query, starting with `/`; the origin is the client's.
    package var target: String
    /// Header fields; the client adds authorization, user agent and length.
    package var fields: HTTPFields
    /// What is sent.
    package var body: Body
    /// How long the peer may stay silent; nil takes the configuration's. A long poll sets more than it asks to wait.
    package var patience: Duration?
    /// How long the whole exchange may take; nil is without end, for large bodies.
    package var deadline: Duration?
    /// What the exchange may receive, where it streams to a sink; the configuration's limit holds too.
    package var speed = DownloadSpeed()

    package init(
        _ method: HTTPRequest.Method, _ target: String, fields: HTTPFields = [:], body: Body = .none,
        patience: Duration? = nil, deadline: Duration? = nil
    ) {
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
        self.patience = patience
        self.deadline = deadline
    }
}

/// What came back.
package struct HTTPReply: Sendable {
    /// The status.
    package let status: Int
    /// The header fields.
    package let fields: HTTPFields
    /// The body, within the limit that was asked for; empty where it went to a sink.
    package let body: [UInt8]
}

/// Takes the body of a download, piece by piece, on the client's thread. While it runs nothing else is received, which
/// is the back-pressure; a throw ends the transfer.
package typealias BodySink = @Sendable (UnsafeRawBufferPointer) throws -> Void

/// Sees status and fields before the first byte of a body goes to the sink; a throw ends the transfer.
package typealias HeadCheck = @Sendable (HTTPReply) throws -> Void
