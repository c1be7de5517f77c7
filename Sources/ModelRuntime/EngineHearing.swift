internal import NIOCore

/// When engines last sent anything in any of their answers. Lives on the event loop.
///
/// An engine that is busy with one answer lets the others wait in silence; one that sends nothing in any of them, as
/// long as it may be silent, hangs, whatever it says of its health.
final class EngineHearing {
    private var last: [RouteTable.Generation: NIODeadline] = [:]

    func heard(_ generation: RouteTable.Generation) { last[generation] = .now() }

    /// Whether nothing came from that engine for so long; asked when an answer of it has been silent for as long.
    func isSilent(_ generation: RouteTable.Generation, for time: TimeAmount) -> Bool {
        last[generation].map { $0 + time <= .now() } ?? true
    }

    func forget(_ generation: RouteTable.Generation) { last[generation] = nil }
}

extension GatewayRoute {
    /// The generation that it leads to.
    var served: RouteTable.Generation { RouteTable.Generation(slot: slot, generation: generation) }
}
