import ServiceLifecycle

/// Does something again and again until the process shuts down.
enum Heartbeat {
    /// Runs `body` every `interval`, with `atOnce` also before the first; ends, without a throw, at graceful shutdown.
    static func each(
        _ interval: Duration, atOnce: Bool = false, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        do {
            try await cancelWhenGracefulShutdown {
                if atOnce { try await body() }
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
