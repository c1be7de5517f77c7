import ServiceLifecycle

/// Does something again and again until the process shuts down.
enum Heartbeat {
    /// Runs `body` every `interval`; ends, without a throw, at graceful shutdown.
    static func each(_ interval: Duration, _ body: @escaping @Sendable () async throws -> Void) async throws {
        do {
            try await cancelWhenGracefulShutdown {
                while !Task.isCancelled {
                    try await Task.sleep(for: interval)
                    try await body()
                }
            }
        } catch is CancellationError {
            return
        }
    }
}
