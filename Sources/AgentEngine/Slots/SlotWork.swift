/// One step of an installation that can be called off: its result counts only while its token is the current one.
final class WorkToken: Sendable {
    private let stream: AsyncStream<Never>
    private let continuation: AsyncStream<Never>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream(of: Never.self) }

    /// Calls the work off.
    func cancel() { continuation.finish() }

    /// Runs `work`, cancelled as soon as the token is.
    func run(_ work: @escaping @Sendable () async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await work() }
            group.addTask { for await _ in self.stream {} }
            await group.next()
            group.cancelAll()
        }
    }
}
