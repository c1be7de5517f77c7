package import MartletTypes
internal import NIOCore
internal import NIOPosix
internal import RegistryClient
package import Trust

/// What a fleet is made of.
package struct FleetOptions: Sendable {
    /// Where it enrols, and whom it believes.
    package var token: JoinToken
    package var devices: Int
    package var seed: UInt64
    /// The first part of every device's name.
    package var prefix: String
    package var profile: FleetProfile
    package var fetch: FetchMode
    /// Devices that are switched on each second.
    package var startsPerSecond: Double

    package init(
        token: JoinToken, devices: Int, seed: UInt64 = 1, prefix: String = "sim",
        profile: FleetProfile = FleetProfile(), fetch: FetchMode = .none, startsPerSecond: Double = 200
    ) {
        self.token = token
        self.devices = devices
        self.seed = seed
        self.prefix = prefix
        self.profile = profile
        self.fetch = fetch
        self.startsPerSecond = startsPerSecond
    }
}

/// Thousands of simulated devices on one event loop.
package final class Fleet: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let context: FleetContext
    private let drivers: [DeviceDriver]
    private let starts: Double
    /// What devices do, as it happens.
    package let events: AsyncStream<FleetEvent>
    private let eventsEnd: AsyncStream<FleetEvent>.Continuation

    /// Follows the join token to the registry, and draws the devices; none is switched on yet.
    ///
    /// Throws `SimulationError`, `InvalidValue` for a bad prefix, and what the way to the registry throws.
    package init(_ options: FleetOptions, clock: @escaping Clock) async throws {
        guard (1...SimulationLimits.devices).contains(options.devices) else {
            throw SimulationError(
                .badOption, "\(options.devices) devices cannot be simulated.",
                remedy: "Choose 1 to \(SimulationLimits.devices).")
        }
        guard options.startsPerSecond > 0, options.startsPerSecond.isFinite else {
            throw SimulationError(.badOption, "No devices a second never start.", remedy: "Give a number above 0.")
        }
        if let problem = options.profile.problem { throw SimulationError.badProfile("The profile: \(problem).") }
        try FileAllowance.raise(for: options.devices)
        let plan = FleetPlan(profile: options.profile, fetch: options.fetch, seed: options.seed)
        let traits = try (0..<options.devices).map {
            try DeviceTraits(number: $0, seed: options.seed, prefix: options.prefix, profile: options.profile)
        }
        let origin = try Origin(options.token.registry)
        let trust = try await FleetTrust.bootstrap(options.token, clock: clock)
        let host = origin.host.filter { $0 != "[" && $0 != "]" }
        let address = try SocketAddress.makeAddressResolvingHost(host, port: origin.port)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (stream, continuation) = AsyncStream.makeStream(
            of: FleetEvent.self, bufferingPolicy: .bufferingNewest(SimulationLimits.waitingEvents))
        self.group = group
        events = stream
        eventsEnd = continuation
        context = try FleetContext(
            loop: group.next(), plan: plan, trust: trust, clock: clock, secret: options.token.secret,
            registry: address, host: "\(origin.host):\(origin.port)",
            serverName: address.ipAddress == host ? nil : host, onEvent: { continuation.yield($0) })
        drivers = traits.map { [context] in DeviceDriver(DeviceMachine(traits: $0, plan: plan), context) }
        starts = options.startsPerSecond
        context.figures.devices = options.devices
    }

    /// Switches the devices on, one after the other; returns at once.
    package func start() {
        for (index, driver) in drivers.enumerated() {
            let pause = TimeAmount.milliseconds(Int64(Double(index) * 1000 / starts))
            context.loop.scheduleTask(in: pause) { driver.step() }
        }
    }

    /// What was done so far.
    package func figures() async throws -> FleetFigures {
        let context = context
        return try await context.loop.submit { context.figures }.get()
    }

    /// Switches every device off, ends its connection, and returns what was done.
    package func stop() async throws -> FleetFigures {
        let (context, drivers) = (context, drivers)
        let figures = try await context.loop.submit {
            let figures = context.figures
            context.isStopped = true
            for driver in drivers { driver.stop() }
            return figures
        }.get()
        eventsEnd.finish()
        await context.trust.close()
        try await group.shutdownGracefully()
        return figures
    }
}
