import AsyncHTTPClient
import Foundation
import MartletTypes
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Sends to one endpoint over connections that are used again, and goes nowhere but to addresses that were checked.
///
/// The host is looked up here and the connection goes to what was found, so that a name which changes its address
/// after the check leads nowhere else. Redirects are not followed, TLS verifies certificate and name, no proxy is used.
/// Whoever opens a sender closes it.
struct WebhookSender: Sendable {
    private let client: HTTPClient
    private let url: String
    private let timeout: Duration

    /// Looks up the endpoint. `turn` chooses among several addresses, so that a further attempt takes another one.
    /// Throws a `ServerError` that says why nothing can be sent.
    static func open(
        _ address: String, _ configuration: WebhookConfiguration, turn: Int64
    ) async throws -> WebhookSender {
        let target = try WebhookTarget(address)
        let addresses = try await target.addresses(within: configuration.network)
        guard !addresses.isEmpty else {
            throw ServerError.unprocessable(
                "unknownHost", "The endpoint's host \(target.host) has no address.", field: "/url")
        }
        var client = HTTPClient.Configuration(redirectConfiguration: .disallow)
        client.httpVersion = .http1Only
        // What is tried again, and when, is decided here.
        client.connectionPool.retryConnectionEstablishment = false
        client.dnsOverride = [target.host: addresses[Int(turn % Int64(addresses.count))].description]
        client.timeout.connect = TimeAmount(configuration.timeout)
        client.timeout.read = TimeAmount(configuration.timeout)
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let file = configuration.authorityFile { tls.additionalTrustRoots = [.file(file)] }
        client.tlsConfiguration = tls
        return WebhookSender(
            client: HTTPClient(
                eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), configuration: client),
            url: target.url, timeout: configuration.timeout)
    }

    private init(client: HTTPClient, url: String, timeout: Duration) {
        self.client = client
        self.url = url
        self.timeout = timeout
    }

    /// Ends its connections.
    func close() async throws { try await client.shutdown() }

    /// One attempt. Throws only where the caller was cancelled.
    func post(_ body: [UInt8], _ fields: [(String, String)]) async throws -> WebhookOutcome {
        let (client, url, timeout) = (client, url, timeout)
        do {
            return try await withThrowingTaskGroup(of: WebhookOutcome.self) { group in
                group.addTask { try await Self.exchange(client, url, body, fields, timeout) }
                group.addTask {
                    // Also over an answer that comes byte by byte.
                    try await Task.sleep(for: timeout)
                    return .failed("it took longer than \(timeout.components.seconds) s")
                }
                defer { group.cancelAll() }
                return try await group.next() ?? .failed("nothing was sent")
            }
        } catch {
            try Task.checkCancellation()
            return .failed(Self.words(error))
        }
    }

    private static func exchange(
        _ client: HTTPClient, _ url: String, _ body: [UInt8], _ fields: [(String, String)], _ timeout: Duration
    ) async throws -> WebhookOutcome {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        for (name, value) in fields { request.headers.add(name: name, value: value) }
        request.body = .bytes(ByteBuffer(bytes: body))
        let response = try await client.execute(request, timeout: TimeAmount(timeout))
        // What it says is not kept; it is read as far as is needed to use the connection again.
        var count = 0
        for try await piece in response.body {
            count += piece.readableBytes
            if count > ServerLimits.webhookAnswerBytes { break }
        }
        let status = Int64(response.status.code)
        switch status {
        case 200..<300: return .accepted(status)
        case 410: return .gone
        default:
            let seconds = response.headers.first(name: "retry-after").flatMap { Int64($0) }
            return .refused(status, retryAfter: seconds.map { .seconds(min(max($0, 0), 1 << 32)) })
        }
    }

    /// A short reason without anything of the endpoint's answer.
    private static func words(_ error: any Error) -> String {
        switch error {
        case let error as HTTPClientError: "no answer came: \(error.shortDescription)"
        case is NIOSSLError, is NIOSSLExtraError: "its TLS certificate was not accepted, or TLS failed: \(error)"
        case let error as IOError: "the connection failed: \(String(cString: strerror(error.errnoCode)))"
        default: "the connection failed: \(error)"
        }
    }
}
