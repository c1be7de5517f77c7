package import AgentStore
package import Logging
package import MartletTypes
internal import ServiceLifecycle
package import Telemetry

/// Measures at intervals, keeps what was measured in the journal within a budget, and sends it in order.
package struct TelemetrySender: Service {
    /// Where measurements come from.
    package struct Source: Sendable {
        let device: DeviceID
        let profile: String?
        let intervals: @Sendable () async -> [GatewayInterval]
        let sample: @Sendable () async -> SystemSample

        package init(
            device: DeviceID, profile: String?, intervals: @escaping @Sendable () async -> [GatewayInterval],
            sample: @escaping @Sendable () async -> SystemSample
        ) {
            self.device = device
            self.profile = profile
            self.intervals = intervals
            self.sample = sample
        }
    }

    private let source: Source
    private let journal: Journal
    private let peer: any UplinkPeer
    private let interval: Duration
    private let budget: ByteCount
    private let random: @Sendable () -> Double
    private let logger: Logger
    private let delivered: @Sendable () -> Void

    /// `delivered` is called when measurements were taken and as many sent as could be.
    package init(
        source: Source, journal: Journal, peer: any UplinkPeer, interval: Duration, budget: ByteCount,
        random: @escaping @Sendable () -> Double = { .random(in: 0...1) }, logger: Logger,
        delivered: @escaping @Sendable () -> Void = {}
    ) {
        self.delivered = delivered
        self.source = source
        self.journal = journal
        self.peer = peer
        self.interval = interval
        self.budget = budget
        self.random = random
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown { await measureAndSend() }
        // What the gateway counted since the last measurement is sent after the next start.
        await measure()
    }

    private func measureAndSend() async {
        let clock = ContinuousClock()
        var backoff = Backoff()
        // The first sample has no processors' share; it is the base of the next.
        _ = await source.sample()
        var nextMeasure = clock.now + interval
        var nextSend: ContinuousClock.Instant? = clock.now
        while !Task.isCancelled {
            if let at = nextSend, clock.now >= at {
                nextSend = await sendAll(&backoff).map { clock.now + $0 }
                delivered()
            }
            await Pause.take(min(nextMeasure, nextSend ?? nextMeasure) - clock.now)
            if clock.now >= nextMeasure, !Task.isCancelled {
                await measure()
                nextMeasure = max(nextMeasure + interval, clock.now)
                nextSend = nextSend ?? clock.now
            }
        }
    }

    /// Puts what was measured since the last time into the journal.
    func measure() async {
        let export = OTLP.MetricsRequest(
            device: source.device, agentVersion: MartletVersion.text, profile: source.profile,
            intervals: await source.intervals(), samples: [await source.sample()])
        do {
            let dropped = try await journal.spool(
                CompressedExport.compressing(try JSONText.encode(export)), budget: budget)
            if dropped > 0 {
                logger.warning("measurements dropped: their budget is full", metadata: ["exports": "\(dropped)"])
            }
        } catch {
            logger.error("measurements lost: the journal does not take them", metadata: ["error": "\(error)"])
        }
    }

    /// Sends until nothing waits; returns how long to pause where something still does.
    func sendAll(_ backoff: inout Backoff) async -> Duration? {
        while !Task.isCancelled {
            do {
                guard let next = try await journal.oldestMeasurements() else { return nil }
                if let pause = await send(next, &backoff) { return pause }
                await journal.dropMeasurements(next.sequence)
            } catch {
                logger.error("measurements cannot be taken from the journal", metadata: ["error": "\(error)"])
                return AgentLimits.longestPause
            }
        }
        return nil
    }

    /// Sends one export; returns a pause where it is to be tried again later.
    private func send(_ export: Queued, _ backoff: inout Backoff) async -> Duration? {
        guard export.body.count <= Limits.telemetryBodyBytes else {
            logger.error("measurements are too large and dropped", metadata: ["bytes": "\(export.body.count)"])
            return nil
        }
        do {
            try await peer.telemetry(export.body, journal: journal.identity, sequence: export.sequence)
            backoff.reset()
            return nil
        } catch {
            if Task.isCancelled { return .zero }
            let summary = ErrorSummary(error)
            let failure = UplinkFailure(error)
            if failure.isContentRefused {
                logger.error(
                    "measurements are refused and dropped",
                    metadata: ["sequence": "\(export.sequence)", "error": "\(summary.message)"])
                return nil
            }
            let pause = backoff.next(random: random(), asked: failure.asked)
            logger.debug(
                "measurements not sent", metadata: ["error": "\(summary.message)", "again": "\(Pause.text(pause))"])
            return pause
        }
    }
}
