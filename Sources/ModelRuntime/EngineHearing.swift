internal import NIOCore

/// When engines last sent anything in any of their answers, and which of them hang. Lives on the event loop.
///
/// An engine that is busy with one answer lets the others wait in silence; one that sends nothing in any of them, as
/// long as it may be silent, hangs, whatever it says of its health. One that sends something again does not any more.
final class EngineHearing {
    private var last: [RouteTable.Generation: NIODeadline] = [:]
    /// Engines that hang: nobody has asked for them yet.
    private var hung: Set<RouteTable.Generation> = []

    func heard(_ generation: RouteTable.Generation) {
        last[generation] = .now()
        if !hung.isEmpty { hung.remove(generation) }
    }

    /// An answer of that engine has been silent for as long as it may be; it hangs where all others were too.
    func silent(_ generation: RouteTable.Generation, for time: TimeAmount) {
        guard last[generation].map({ $0 + time <= .now() }) ?? true else { return }
        hung.insert(generation)
    }

    /// Whether that engine hangs, asked for the first time.
    func takeHung(_ generation: RouteTable.Generation) -> Bool { hung.remove(generation) != nil }

    func forget(_ generation: RouteTable.Generation) {
        last[generation] = nil
        hung.remove(generation)
    }
}

extension GatewayRoute {
    /// The generation that it leads to.
    var served: RouteTable.Generation { RouteTable.Generation(slot: slot, generation: generation) }
}
