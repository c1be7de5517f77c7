package import MartletTypes
package import RegistryClient

/// Lets work that nobody waits for go on only while the device has nothing better to do.
///
/// Whoever does such work passes before each piece of it. Heat holds it for as long as it lasts; requests hold each
/// piece for a while only, so that a device that is never idle gets its update too, more slowly.
package struct BackgroundGate: Sendable {
    package var rule: BackgroundRule
    /// What goes before each piece, and is looked at for as long as the heat holds it.
    var meanwhile: @Sendable () async -> Void = {}
    private let clock: Clock
    private let offset: @Sendable (Timestamp) -> Int64
    private let isBusy: @Sendable () -> Bool
    private let isHot: @Sendable () -> Bool
    private let pause: @Sendable (Duration) async -> Void

    /// `isBusy` tells whether requests run, `isHot` whether the board is too warm, `pause` waits and comes back early
    /// where the task is cancelled.
    package init(
        rule: BackgroundRule = BackgroundRule(), clock: @escaping Clock = AgentClock.systemTime,
        offset: @escaping @Sendable (Timestamp) -> Int64 = { _ in 0 },
        isBusy: @escaping @Sendable () -> Bool = { false }, isHot: @escaping @Sendable () -> Bool = { false },
        pause: @escaping @Sendable (Duration) async -> Void = { await Pause.take($0) }
    ) {
        self.rule = rule
        self.clock = clock
        self.offset = offset
        self.isBusy = isBusy
        self.isHot = isHot
        self.pause = pause
    }

    /// Returns when the next piece of work may begin; requests hold it for `longest` at most. Throws
    /// `CancellationError`.
    package func pass(longest: Duration = AgentLimits.longestYield) async throws {
        await meanwhile()
        while isHot() {
            await pause(AgentLimits.heatInterval)
            try Task.checkCancellation()
            await meanwhile()
        }
        guard rule.pausesWhileBusy else { return }
        var waited = Duration.zero
        while waited < longest, isBusy() {
            await pause(AgentLimits.yieldInterval)
            waited += AgentLimits.yieldInterval
            try Task.checkCancellation()
        }
    }

    /// The same for a piece of a download; returns what it may take. `limit` is that of the assignment, in bytes per
    /// second.
    package func passDownload(limit: Int64?) async throws -> DownloadSpeed {
        while true {
            try await pass()
            let now = clock()
            let speed = DownloadSpeed(shared: rule.speed(at: now, offset: offset), own: limit)
            guard speed.least == 0 else { return speed }
            let opening = rule.nextOpening(after: now, offset: offset) ?? now + AgentLimits.longestLook
            await pause(min(opening - now, AgentLimits.longestLook))
            try Task.checkCancellation()
        }
    }

    /// Bytes of one piece of a download at that speed: small enough to be over before the rule may be another.
    func piece(at speed: Int64?) -> Int64 {
        guard let speed else { return AgentLimits.downloadPiece }
        let (bytes, isHuge) = speed.multipliedReportingOverflow(by: AgentLimits.pieceSeconds)
        return isHuge ? AgentLimits.downloadPiece : min(max(bytes, 64 * 1024), AgentLimits.downloadPiece)
    }
}

extension AgentLimits {
    /// Between two looks at the board's heat.
    static let heatInterval = Duration.seconds(5)
    /// Between two looks whether requests still run.
    static let yieldInterval = Duration.milliseconds(100)
    /// How long requests hold one piece of background work: a device that is asked all the time fetches a piece every
    /// other second.
    package static let longestYield = Duration.seconds(2)
    /// How long they hold one row of an evaluation, of which there are hundreds.
    static let longestRowYield = Duration.milliseconds(250)
    /// Seconds that a piece of a slow download may take.
    static let pieceSeconds: Int64 = 30
    /// One piece of a download: long enough that asking for it costs nothing, short enough to give way.
    static let downloadPiece: Int64 = 8 * 1024 * 1024
}
