import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TUF
import TestSupport
import Testing
import Trust

/// Tokens that are limited to a namespace or a fleet: what they are not for, they neither see nor move.
@Suite struct ReachTests {
    /// What a call with a limited token must come to.
    enum Expectation: Sendable {
        /// 403 or 404, and nothing of what it asked for.
        case refused
        /// 200 without a trace of what is out of reach.
        case filtered
        /// The limit does not concern it.
        case free
    }

    struct Call: Sendable {
        let operation: String
        var target: String
        var method = HTTPRequest.Method.get
        var body = ""
        let expected: Expectation
    }

    /// A registry with `clinic/triage` on box-1 of the fleet `berlin`, and box-2 in the fleet `paris`.
    struct House {
        let registry: RegistryFixture
        let rollout: RolloutID
        let devices: [SimulatedDevice]
        let signedRole: (role: String, bytes: [UInt8])
        /// A change of `clinic` that lacks a signature, and what it is.
        let proposal: String
        let change: String

        init() async throws {
            registry = try await RegistryFixture.start()
            try await registry.initializeTrust()
            let release = try await registry.publish("clinic/triage/1.0.0")
            devices = [
                try await SimulatedDevice("box-1", at: registry, labels: ["site": "berlin"]),
                try await SimulatedDevice("box-2", at: registry, labels: ["site": "paris"]),
            ]
            for site in ["berlin", "paris"] {
                _ = try await registry.admin.putFleet(
                    Fleet(name: try FleetName(site), selector: try LabelSelector("site=\(site)")))
            }
            let admin = registry.admin
            let started = try await admin.startRollout(
                RolloutRequest(
                    fleet: try FleetName("berlin"), slot: try SlotName("triage"), releases: [release.path]))
            rollout = started.id
            _ = try await devices[0].obey(try SlotName("triage"))
            _ = try await admin.api.send(
                OperatorRoutes.putAlias,
                body: Alias(
                    repository: release.path.repository, name: try AliasName("stable"), version: release.path.version),
                as: Alias.self)
            signedRole = try await registry.signed(.add(path: "clinic/triage/2.0.0", file: release.target))
            let layout = try NamespaceLayout("clinic")
            var roles: [String: String] = [:]
            for bin in layout.bins.prefix(2) {
                let next = try await registry.role(bin).next(expires: registry.clock.now + .seconds(86_400))
                let keys = roles.isEmpty ? [try registry.key("clinic")] : []
                roles[bin] = String(decoding: try SignedEnvelope.sign(next.json, by: keys).encoded(), as: UTF8.self)
            }
            let half = TrustChange(roles: roles)
            change = String(decoding: try JSONText.encode(half), as: UTF8.self)
            proposal = try await admin.propose(ProposalRequest(change: half, note: "half of clinic")).proposal.id
        }

        func token(_ role: Role = .admin, namespaces: [String]? = nil, fleets: [String]? = nil) async throws -> String {
            let name = "t\(UInt32.random(in: 0...UInt32.max))"
            let request = TokenRequest(
                name: name, role: role, namespaces: namespaces, fleets: try fleets?.map { try FleetName($0) })
            return try #require(try await registry.admin.createToken(request).secret)
        }

        func perform(_ call: Call, _ token: String) async throws -> HTTPReply {
            try await registry.call(
                call.method, call.target, token: token, fields: [.contentType: "application/json"],
                body: call.method == .get ? .none : .bytes(Array(call.body.utf8)))
        }

        /// All that calls could change, to see that they did not.
        func state() async throws -> [String] {
            let admin = registry.admin
            let devices = try await admin.devices().map { "\($0.device) \($0.labels) \($0.standing) \($0.assignment)" }
            let releases = try await admin.releases().map { "\($0.path) \($0.state) \($0.aliases)" }
            let rollouts = try await admin.rollouts().map { "\($0.id) \($0.state)" }
            let fleets = try await admin.fleets().map { "\($0.name) \($0.selector)" }
            let versions = try await admin.status().metadataVersions
            let waiting = try await admin.proposals().map { "\($0.id) \($0.progress.map(\.signed))" }
            return waiting + devices + releases + rollouts + fleets + [
                "\(versions["clinic"] ?? 0) \(versions["targets"] ?? 0)"
            ]
        }
    }

    /// One call at least for every operation that holds the limit of namespaces; the token is for `legal`.
    static func ofNamespaces(_ house: House) -> [Call] {
        let id = house.rollout.text
        let start = #"{"fleet": "berlin", "slot": "triage", "releases": ["clinic/triage/1.0.0"]"#
        let rest = #", "settings": {}, "policy": \#(Self.policy)}"#
        let proposal = "/api/v1/trust/proposals/\(house.proposal)"
        let role = house.signedRole
        let signed = String(decoding: role.bytes, as: UTF8.self)
        let change = (try? String(decoding: JSONText.encode(["roles": [role.role: signed]]), as: UTF8.self)) ?? ""
        return [
            Call(operation: "status", target: "/api/v1/status", expected: .free),
            Call(operation: "whoAmI", target: "/api/v1/whoami", expected: .free),
            Call(
                operation: "putRole", target: "/api/v1/tuf/roles/\(role.role)", method: .put, body: signed,
                expected: .refused),
            Call(
                operation: "changeTrust", target: "/api/v1/trust/changes", method: .post, body: change,
                expected: .refused),
            Call(operation: "proposals", target: "/api/v1/trust/proposals", expected: .filtered),
            Call(operation: "proposal", target: proposal, expected: .refused),
            Call(
                operation: "propose", target: "/api/v1/trust/proposals", method: .post,
                body: #"{"change": \#(house.change), "note": "x"}"#, expected: .refused),
            Call(operation: "signProposal", target: proposal, method: .put, body: house.change, expected: .refused),
            Call(operation: "deleteProposal", target: proposal, method: .delete, expected: .refused),
            Call(operation: "releases", target: "/api/v1/releases", expected: .filtered),
            Call(operation: "releases", target: "/api/v1/releases?repository=clinic/triage", expected: .refused),
            Call(operation: "release", target: "/api/v1/releases/clinic/triage/1.0.0", expected: .refused),
            Call(
                operation: "block", target: "/api/v1/releases/block", method: .post,
                body: #"{"path": "clinic/triage/1.0.0", "blocked": true, "reason": "x"}"#, expected: .refused),
            Call(operation: "aliases", target: "/api/v1/aliases", expected: .filtered),
            Call(operation: "aliases", target: "/api/v1/aliases?repository=clinic/triage", expected: .refused),
            Call(
                operation: "putAlias", target: "/api/v1/aliases", method: .put,
                body: #"{"repository": "clinic/triage", "name": "beta", "version": "1.0.0"}"#, expected: .refused),
            Call(operation: "devices", target: "/api/v1/devices", expected: .filtered),
            Call(operation: "device", target: "/api/v1/devices/box-1", expected: .filtered),
            Call(operation: "deviceHistory", target: "/api/v1/devices/box-1/history", expected: .filtered),
            Call(operation: "fleets", target: "/api/v1/fleets", expected: .free),
            Call(operation: "rollouts", target: "/api/v1/rollouts", expected: .filtered),
            Call(operation: "rollout", target: "/api/v1/rollouts/\(id)", expected: .refused),
            Call(
                operation: "startRollout", target: "/api/v1/rollouts", method: .post, body: start + rest,
                expected: .refused),
            Call(
                operation: "planRollout", target: "/api/v1/rollouts/plan", method: .post, body: start + rest,
                expected: .refused),
            Call(
                operation: "changeRollout", target: "/api/v1/rollouts/\(id)/abort", method: .post, expected: .refused),
            Call(
                operation: "rollback", target: "/api/v1/rollbacks", method: .post,
                body: #"{"release": "clinic/triage/1.0.0", "reason": ""}"#, expected: .refused),
            Call(
                operation: "rollback", target: "/api/v1/rollbacks", method: .post,
                body: #"{"device": "box-1", "slot": "triage", "reason": ""}"#, expected: .filtered),
            Call(operation: "rollbackProgress", target: "/api/v1/rollbacks/b-none", expected: .refused),
            Call(operation: "rolloutDevices", target: "/api/v1/rollouts/\(id)/devices", expected: .refused),
            Call(operation: "explainRollout", target: "/api/v1/rollouts/\(id)/explain", expected: .refused),
            Call(operation: "deviceMoves", target: "/api/v1/devices/box-1/moves", expected: .filtered),
            Call(
                operation: "pinSlot", target: "/api/v1/devices/box-1/slots/triage/pin", method: .put,
                body: #"{"reason": "x"}"#, expected: .refused),
            Call(
                operation: "unpinSlot", target: "/api/v1/devices/box-1/slots/triage/pin", method: .delete,
                expected: .refused),
            Call(operation: "telemetry", target: "/api/v1/telemetry", expected: .filtered),
            Call(operation: "events", target: "/api/v1/events", expected: .filtered),
            Call(operation: "v2", target: "/v2/clinic/triage/manifests/1.0.0", expected: .refused),
            Call(operation: "v2", target: "/v2/clinic/triage/tags/list", expected: .refused),
            Call(operation: "v2", target: "/v2/clinic/triage/blobs/uploads/", method: .post, expected: .refused),
        ]
    }

    /// The same for the limit of fleets; the token is for `paris`.
    static func ofFleets(_ house: House) -> [Call] {
        let id = house.rollout.text
        func start(_ whom: String) -> String {
            #"{\#(whom), "slot": "triage", "releases": ["clinic/triage/1.0.0"], "settings": {}, "policy": \#(policy)}"#
        }
        let device = "/api/v1/devices/box-1"
        let berlin = #""fleet": "berlin""#
        let selected = #""selector": "site=berlin""#
        var calls = [
            Call(operation: "status", target: "/api/v1/status", expected: .free),
            Call(operation: "whoAmI", target: "/api/v1/whoami", expected: .free),
            Call(operation: "releases", target: "/api/v1/releases", expected: .free),
            Call(operation: "release", target: "/api/v1/releases/clinic/triage/1.0.0", expected: .free),
            Call(operation: "aliases", target: "/api/v1/aliases", expected: .free),
            Call(operation: "devices", target: "/api/v1/devices", expected: .filtered),
            Call(operation: "devices", target: "/api/v1/devices?selector=site%3Dberlin", expected: .filtered),
            Call(operation: "device", target: device, expected: .refused),
            Call(operation: "deviceHistory", target: device + "/history", expected: .refused),
            Call(
                operation: "patchDevice", target: device, method: .patch, body: #"{"labels": {"site": "paris"}}"#,
                expected: .refused),
            Call(
                operation: "patchDevice", target: "/api/v1/devices/box-2", method: .patch,
                body: #"{"labels": {"site": "berlin"}}"#, expected: .refused),
            Call(operation: "deleteDevice", target: device, method: .delete, expected: .refused),
            Call(operation: "fleets", target: "/api/v1/fleets", expected: .filtered),
            Call(operation: "rollouts", target: "/api/v1/rollouts", expected: .filtered),
            Call(operation: "rollout", target: "/api/v1/rollouts/\(id)", expected: .refused),
            Call(
                operation: "startRollout", target: "/api/v1/rollouts", method: .post, body: start(berlin),
                expected: .refused),
            Call(
                operation: "startRollout", target: "/api/v1/rollouts", method: .post, body: start(selected),
                expected: .refused),
            Call(
                operation: "startRollout", target: "/api/v1/rollouts", method: .post, body: start(#""selector": """#),
                expected: .refused),
            Call(
                operation: "planRollout", target: "/api/v1/rollouts/plan", method: .post, body: start(berlin),
                expected: .refused),
            Call(
                operation: "changeRollout", target: "/api/v1/rollouts/\(id)/rollback", method: .post,
                expected: .refused),
            Call(operation: "rollbackProgress", target: "/api/v1/rollbacks/b-none", expected: .refused),
            Call(operation: "rolloutDevices", target: "/api/v1/rollouts/\(id)/devices", expected: .refused),
            Call(operation: "explainRollout", target: "/api/v1/rollouts/\(id)/explain", expected: .refused),
            Call(operation: "deviceMoves", target: device + "/moves", expected: .refused),
            Call(
                operation: "pinSlot", target: device + "/slots/triage/pin", method: .put, body: #"{"reason": "x"}"#,
                expected: .refused),
            Call(operation: "unpinSlot", target: device + "/slots/triage/pin", method: .delete, expected: .refused),
            Call(
                operation: "holdDevice", target: device + "/hold", method: .put, body: #"{"reason": "x"}"#,
                expected: .refused),
            Call(operation: "releaseDevice", target: device + "/hold", method: .delete, expected: .refused),
            Call(operation: "telemetry", target: "/api/v1/telemetry", expected: .filtered),
            Call(operation: "telemetry", target: "/api/v1/telemetry?device=box-1", expected: .refused),
            Call(operation: "events", target: "/api/v1/events", expected: .filtered),
        ]
        for verb in ["approve", "reject", "revoke"] {
            calls.append(
                Call(
                    operation: verb + "Device", target: "\(device)/\(verb)", method: .post, body: #"{"reason": ""}"#,
                    expected: .refused))
        }
        for (body, expected) in [
            (#"{"device": "box-1", "slot": "triage", "reason": ""}"#, Expectation.refused),
            (#"{"fleet": "berlin", "slot": "triage", "reason": ""}"#, .refused),
            (#"{"rollout": "\#(id)", "reason": ""}"#, .refused),
            (#"{"release": "clinic/triage/1.0.0", "reason": ""}"#, .filtered),
        ] {
            calls.append(
                Call(
                    operation: "rollback", target: "/api/v1/rollbacks", method: .post, body: body, expected: expected))
        }
        return calls
    }

    private static let policy: String = {
        (try? String(decoding: JSONText.encode(RolloutPolicy()), as: UTF8.self)) ?? "{}"
    }()

    private func check(_ house: House, _ calls: [Call], _ token: String, hidden: [String]) async throws {
        let before = try await house.state()
        for call in calls {
            let reply = try await house.perform(call, token)
            let body = String(decoding: reply.body, as: UTF8.self)
            let what: Comment = "\(call.method) \(call.target): \(reply.status) \(body)"
            switch call.expected {
            case .free: #expect(reply.status == 200, what)
            case .refused: #expect(reply.status == 403 || reply.status == 404, what)
            case .filtered:
                #expect(reply.status == 200, what)
                for trace in hidden { #expect(!body.contains(trace), what) }
            }
        }
        #expect(try await house.state() == before, "nothing has changed")
    }

    /// Every operation that says that it holds the limit is among the calls.
    private func checkComplete(_ calls: [Call], _ limit: String) throws {
        let holding = Set(try APIDocument.operations().filter { $0.limits.contains(limit) }.map(\.id))
        let missing = holding.subtracting(calls.map(\.operation))
        #expect(missing.isEmpty, "no call shows that these hold the limit of \(limit): \(missing.sorted())")
    }

    @Test("A token of another namespace sees and changes nothing of it, by every operation that holds the limit")
    func namespaces() async throws {
        let house = try await House()
        let calls = Self.ofNamespaces(house)
        try checkComplete(calls, "namespaces")
        try await check(
            house, calls, try await house.token(namespaces: ["legal"]), hidden: ["clinic/", "clinic-", "half of"])
        try await house.registry.stop()
    }

    @Test("A token of another fleet sees and moves none of its devices, by every operation that holds the limit")
    func fleets() async throws {
        let house = try await House()
        let calls = Self.ofFleets(house)
        try checkComplete(calls, "fleets")
        try await check(house, calls, try await house.token(fleets: ["paris"]), hidden: ["box-1", "berlin"])
        // A fleet that is no more selects nothing.
        let gone = try await house.token(fleets: ["rome"])
        let devices = OperatorClient(http: try house.registry.client(token: gone))
        #expect(try await devices.devices().isEmpty)
        try await house.registry.stop()
    }

    @Test("A token for the namespace and the fleet sees and moves what is within both")
    func within() async throws {
        let house = try await House()
        let token = try await house.token(.operator, namespaces: ["clinic", "legal"], fleets: ["berlin"])
        let own = OperatorClient(http: try house.registry.client(token: token))
        #expect(try await own.devices().map(\.device.text) == ["box-1"])
        #expect(try await own.device(try DeviceID("box-1")).slots.count == 1)
        #expect(try await own.releases().map(\.path.text) == ["clinic/triage/1.0.0"])
        #expect(try await own.fleets().map(\.name.text) == ["berlin"])
        #expect(try await own.rollouts().map(\.id) == [house.rollout])
        #expect(try await own.whoAmI().namespaces == ["clinic", "legal"])
        let next = try await house.registry.publish("clinic/triage/1.1.0")
        let started = try await own.startRollout(
            RolloutRequest(
                selector: try LabelSelector("site=berlin"), slot: try SlotName("triage"), releases: [next.path]))
        #expect(try await own.rollout(started.id).devices?.map(\.device.text) == ["box-1"])
        _ = try await own.changeRollout(started.id, .pause)
        try await house.registry.stop()
    }

    @Test("A token's limits hold for the dashboard too")
    func dashboard() async throws {
        let house = try await House()
        for (token, hidden) in [
            (try await house.token(.viewer, fleets: ["paris"]), ["box-1", "berlin"]),
            (try await house.token(.viewer, namespaces: ["legal"]), ["clinic/triage"]),
        ] {
            let answer = try await RawHTTP.post(house.registry.operatorOrigin, "/login", "token=\(token)")
            let cookie = try #require(answer.firstMatch(of: /martlet_session=[0-9a-f]+/)).output
            let http = try house.registry.client(token: nil)
            for page in [
                "/", "/devices", "/devices/box-1", "/rollouts", "/rollouts/\(house.rollout)", "/releases",
                "/releases/clinic/triage/1.0.0",
            ] {
                var fields: HTTPFields = [:]
                fields[.cookie] = String(cookie)
                let reply = try await http.perform(HTTPCall(.get, page, fields: fields), limit: 1 << 22)
                guard reply.status == 200 else {
                    #expect(reply.status == 403 || reply.status == 404, "\(page): \(reply.status)")
                    continue
                }
                let body = String(decoding: reply.body, as: UTF8.self)
                // The example of a page without releases.
                let shown = body.replacing("--as clinic/triage:1.0.0", with: "")
                for trace in hidden { #expect(!shown.contains(trace), "\(page) shows \(trace)") }
            }
        }
        try await house.registry.stop()
    }

    @Test("A limit names something, and a bad name is told")
    func badLimits() async throws {
        let registry = try await RegistryFixture.start()
        for request in [
            TokenRequest(name: "a", role: .viewer, namespaces: []), TokenRequest(name: "b", role: .viewer, fleets: []),
            TokenRequest(name: "c", role: .viewer, namespaces: ["Not/One"]),
        ] {
            await #expect(throws: ClientError.self) { _ = try await registry.admin.createToken(request) }
        }
        #expect(try await registry.admin.tokens().count == 1)
        try await registry.stop()
    }
}
