import HTTPTypes
import MartletAPI
import MartletTypes
import Testing

@Suite("Routes")
struct RoutesTests {
    @Test("no method and path stand for two routes of a listener")
    func unique() {
        for routes in [OperatorRoutes.all, DeviceRoutes.all] {
            let names = routes.map { "\($0.method) \($0.path)" }
            #expect(Set(names).count == names.count)
        }
    }

    @Test("every operators' route but health, metrics, the document, the authority, public metadata needs a role")
    func denyByDefault() {
        let open = Set(OperatorRoutes.all.filter { $0.access == .open }.map(\.path))
        let expected: Set = ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.yaml", "/api/v1/authority.pem"]
        #expect(open.filter { !$0.hasPrefix("/tuf/") } == expected)
        for route in OperatorRoutes.all where route.access != .open {
            guard case .atLeast = route.access else {
                Issue.record("\(route.path) is for devices")
                continue
            }
        }
    }

    @Test("a change of state needs more than a viewer")
    func writesNeedMore() {
        for route in OperatorRoutes.all where route.method != .get {
            guard case .atLeast(let role) = route.access else { continue }
            #expect(role > .viewer, "\(route.method) \(route.path)")
        }
    }

    @Test(
        "parameters are filled in and encoded",
        arguments: [
            (OperatorRoutes.device, ["device": "pi-1"], "/api/v1/devices/pi-1"),
            (OperatorRoutes.device, ["device": "../x?y"], "/api/v1/devices/..%2Fx%3Fy"),
            (OperatorRoutes.release, ["path": "clinic/triage/1.0.0"], "/api/v1/releases/clinic/triage/1.0.0"),
            (OperatorRoutes.release, ["path": "a/ü"], "/api/v1/releases/a/%C3%BC"),
            (OperatorRoutes.changeRollout, ["rollout": "r-1", "action": "pause"], "/api/v1/rollouts/r-1/pause"),
        ])
    func filled(route: Route, parameters: [String: String], path: String) {
        #expect(route.path(parameters) == path)
    }

    @Test("roles are ordered")
    func roles() {
        #expect(Role.allCases == Role.allCases.sorted())
        #expect(Role.viewer < .publisher && Role.operator < .admin)
    }
}
