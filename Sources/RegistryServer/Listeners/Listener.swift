import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import MartletTypes
import NIOCore
import ServiceLifecycle

/// One of the two listeners, as a service: plain HTTP, or TLS where it has contexts.
struct Listener: Service {
    let name: String
    let address: ListenAddress
    let contexts: TLSContextBox?
    let dispatcher: Dispatcher
    let logger: Logger
    /// Called with the port once it is bound.
    let onBound: @Sendable (Int) async throws -> Void

    func run() async throws {
        let logger = logger
        let onBound = onBound
        let contexts = contexts
        // Requests at work are not idle; this ends connections whose owners went away without a word.
        let http = HTTP1Channel.Configuration(idleTimeout: .seconds(ServerLimits.idleSeconds))
        let builder = HTTPServerBuilder { responder in
            let base = HTTP1Channel(responder: responder, configuration: http)
            guard let contexts else { return PlainChannel(base: base) }
            return RenewableTLSChannel(base: base, contexts: contexts)
        }
        let application = Application(
            responder: dispatcher, server: builder,
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port), serverName: nil, backlog: 1024),
            onServerRunning: { channel in
                do {
                    try await onBound(channel.localAddress?.port ?? 0)
                } catch {
                    logger.error("cannot write the bound addresses", metadata: ["error": "\(error)"])
                }
            }, logger: logger)
        do {
            try await application.run()
        } catch let error as IOError where [EADDRINUSE, EACCES, EADDRNOTAVAIL].contains(error.errnoCode) {
            throw Self.refusal(error, name, address)
        }
    }

    private static func refusal(_ error: IOError, _ name: String, _ address: ListenAddress) -> ServerError {
        switch error.errnoCode {
        case EADDRINUSE:
            ServerError(
                503, "addressInUse", "Another program listens on \(address), where the \(name) listener shall be.",
                remedy: "Stop it, or choose another --\(name)-address.", fault: .environment)
        case EACCES:
            ServerError(
                503, "addressForbidden", "This user may not listen on \(address).",
                remedy: "Choose a --\(name)-address with a port above 1023.", fault: .environment)
        default:
            ServerError(
                503, "addressNotHere", "\(address) is not an address of this machine.",
                remedy: "Choose another --\(name)-address.", fault: .environment)
        }
    }
}
