import MartletTypes
import Testing

@testable import ModelRuntime

@Suite("Which connections to engines are kept")
struct IdleConnectionTests {
    private final class Connection {}

    private let route: GatewayRoute
    private let next: GatewayRoute
    private let other: GatewayRoute

    init() throws {
        let (slot, second) = (try SlotName("triage"), try SlotName("notes"))
        route = GatewayRoute(slot: slot, generation: 1, release: .test(1), socketPath: "/1")
        next = GatewayRoute(slot: slot, generation: 2, release: .test(2), socketPath: "/2")
        other = GatewayRoute(slot: second, generation: 1, release: .test(1), socketPath: "/3")
    }

    private func scene() -> IdleConnections<Connection> { IdleConnections(bound: 2, time: .seconds(2)) }

    @Test("the one that was used last goes first, and only to its own engine")
    func take() {
        var idle = scene()
        let (first, second) = (Connection(), Connection())
        #expect(idle.keep(first, route, at: .seconds(1)) == true)
        #expect(idle.keep(second, route, at: .seconds(2)) == true)
        #expect(idle.take(next, at: .seconds(2)) == nil)
        #expect(idle.take(other, at: .seconds(2)) == nil)
        #expect(idle.take(route, at: .seconds(2)) === second)
        #expect(idle.take(route, at: .seconds(2)) === first)
        #expect(idle.take(route, at: .seconds(2)) == nil)
        #expect(idle.nextEnd == nil)
    }

    @Test("the bound holds for each engine")
    func bound() {
        var idle = scene()
        for _ in 1...2 { #expect(idle.keep(Connection(), route, at: .zero) == true) }
        let further = idle.keep(Connection(), route, at: .zero)
        #expect(!further)
        for route in [next, other] { #expect(idle.keep(Connection(), route, at: .zero) == true) }
        #expect(idle.count == 4)
    }

    @Test("one that was kept for long enough is not taken any more, and is to be closed")
    func time() {
        var idle = scene()
        let (first, second) = (Connection(), Connection())
        #expect(idle.keep(first, route, at: .seconds(1)) == true)
        #expect(idle.keep(second, other, at: .seconds(2)) == true)
        #expect(idle.nextEnd == .seconds(3))
        #expect(idle.ended(at: .milliseconds(2999)).isEmpty)
        #expect(idle.take(route, at: .seconds(3)) == nil)
        #expect(idle.ended(at: .seconds(3)).map(ObjectIdentifier.init) == [ObjectIdentifier(first)])
        #expect(idle.nextEnd == .seconds(4))
        #expect(idle.take(other, at: .seconds(3)) === second)
    }

    @Test("those of a slot, of a generation, and all are given up together")
    func remove() {
        var idle = scene()
        for route in [route, next, other] { #expect(idle.keep(Connection(), route, at: .zero) == true) }
        #expect(idle.remove(route.slot, generation: 1).count == 1)
        #expect(idle.count == 2)
        #expect(idle.remove(route.slot).count == 1)
        #expect(idle.remove(route.slot).isEmpty)
        let gone = Connection()
        #expect(idle.keep(gone, other, at: .zero) == true)
        #expect(idle.count == 2)
        idle.forget(gone)
        #expect(idle.removeAll().count == 1)
        #expect(idle.count == 0)
    }
}
