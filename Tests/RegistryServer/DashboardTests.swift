import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing
import Trust

@testable import RegistryServer

@Suite struct DashboardTests {
    /// A visitor with a cookie.
    private struct Browser {
        let http: HTTPClient
        var cookie: String?

        func get(_ target: String) async throws -> HTTPReply {
            var fields: HTTPFields = [:]
            fields[.cookie] = cookie
            return try await http.perform(HTTPCall(.get, target, fields: fields), limit: 1 << 22)
        }

        func text(_ target: String) async throws -> String {
            let reply = try await get(target)
            #expect(reply.status == 200, "\(target): \(reply.status)")
            return String(decoding: reply.body, as: UTF8.self)
        }

        func post(_ target: String, _ body: String, site: String? = "same-origin") async throws -> HTTPReply {
            var fields: HTTPFields = [.contentType: "application/x-www-form-urlencoded"]
            fields[.cookie] = cookie
            fields[try #require(HTTPField.Name("Sec-Fetch-Site"))] = site
            // The client takes redirects for errors, so it is asked only for what does not redirect.
            return try await http.perform(
                HTTPCall(.post, target, fields: fields, body: .bytes(Array(body.utf8))), limit: 1 << 20)
        }
    }

    @Test("A token signs in, a wrong one does not, and signing out ends it")
    func login() async throws {
        let registry = try await RegistryFixture.start()
        var browser = Browser(http: try registry.client(token: nil))
        let form = try await browser.text("/login")
        #expect(form.contains("<form method=\"post\" action=\"/login\">"))
        let wrong = try await browser.post("/login", "token=martlet_wrong")
        #expect(wrong.status == 401 && wrong.fields[.setCookie] == nil)
        #expect(try await browser.post("/login", "token=\(registry.adminToken)", site: "cross-site").status == 403)
        browser.cookie = try await Self.signIn(registry)
        #expect(try await browser.text("/").contains("Not ready: no root"))
        // The cookie opens pages only: the API would otherwise be open to forged requests of other sites.
        #expect(try await browser.get("/api/v1/status").status == 401)
        let sessions = Sessions(clock: { registry.clock.now })
        let value = sessions.open(secret: "s")
        #expect(sessions.secret(for: value) == "s" && sessions.secret(for: "other") == nil)
        registry.clock.advance(by: .seconds(13 * 3600))
        #expect(sessions.secret(for: value) == nil)
        try await registry.stop()
    }

    /// Signs in by curl's rules: the answer is a redirect whose cookie counts.
    private static func signIn(_ registry: RegistryFixture) async throws -> String {
        let reply = try await RawHTTP.post(
            registry.operatorOrigin, "/login", "token=\(registry.adminToken)")
        let line = try #require(reply.split(separator: "\r\n").first { $0.lowercased().hasPrefix("set-cookie:") })
        #expect(line.contains("HttpOnly") && line.contains("SameSite=Strict"))
        return String(line.dropFirst("set-cookie: ".count).prefix { $0 != ";" })
    }

    @Test("The pages show fleets, devices, rollouts and releases, with charts, and no markup of a device's making")
    func pages() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let release = try await registry.publish("clinic/triage/1.0.0")
        let device = try await SimulatedDevice("box-1", at: registry)
        let slot = try SlotName("triage")
        _ = try await registry.admin.putFleet(
            Fleet(name: try FleetName("wards"), selector: try LabelSelector("site=berlin")))
        let rollout = try await registry.admin.startRollout(
            RolloutRequest(fleet: try FleetName("wards"), slot: slot, releases: [release.path]))
        let assignment = try #require(try await device.poll(wait: .seconds(50)))
        try await device.report(
            .failed, slot, try #require(assignment.slots[slot]), code: "engineExited",
            message: "<script>alert(1)</script>",
            figures: .init(evaluation: .init(rows: 60, correct: 58, failed: 0, medianMilliseconds: 12)))
        for minute in 0..<60 {
            try await device.client.telemetry(
                try TelemetrySample.export(
                    device.name, at: registry.clock.now - .seconds(Int64(60 - minute) * 60), requests: UInt64(minute)),
                journal: device.journal, sequence: Int64(minute + 1))
        }
        let browser = Browser(http: try registry.client(token: nil), cookie: try await Self.signIn(registry))
        let overview = try await browser.text("/")
        for part in ["wards", "box-1", "clinic/triage:1.0.0", rollout.id.text, "Needs attention", "/static/style.css"] {
            #expect(overview.contains(part), "\(part)")
        }
        let page = try await browser.text("/devices/box-1")
        #expect(page.contains("Requests per minute") && page.contains("<polyline class=\"line\""))
        #expect(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"))
        let rolloutPage = try await browser.text("/rollouts/\(rollout.id)")
        #expect(rolloutPage.contains("engine exited") && rolloutPage.contains("Decisions"))
        #expect(rolloutPage.contains("id=\"waves\"") && rolloutPage.contains("0 of 1 devices"))
        #expect(rolloutPage.contains("Proved on devices") && rolloutPage.contains("58 of 60"))
        #expect(page.contains("What ran when, and why") && page.contains("admin: rollout \(rollout.id)"))
        #expect(try await browser.text("/releases/clinic/triage/1.0.0").contains("Q4_0"))
        for target in ["/devices", "/rollouts", "/releases"] { _ = try await browser.text(target) }
        #expect(try await browser.get("/devices/nobody").status == 404)
        let head = try await browser.get("/")
        let policy = try #require(head.fields[.contentSecurityPolicy])
        #expect(policy.contains("default-src 'none'") && !policy.contains("unsafe"))
        #expect(!overview.contains("style=") && !overview.contains("onclick"))
        for (file, type) in [
            ("style.css", "text/css"), ("live.js", "text/javascript"), ("martlet.svg", "image/svg+xml"),
        ] {
            #expect(try await browser.get("/static/\(file)").fields[.contentType]?.hasPrefix(type) == true, "\(file)")
        }
        #expect(try await browser.get("/static/..%2Ftemplates%2Flayout.mustache").status == 404)
        try await registry.stop()
    }

    @Test("A gate is drawn with its interval and bound, or not at all where it found nothing")
    func gatePicture() throws {
        var result = GateResult(
            gate: .timePerOutputToken, verdict: "failed", method: "mannWhitney", sentence: "slower <by> half")
        #expect(GatePicture(result) == nil)
        result.bound = 1.2
        result.effect = 1.5
        (result.low, result.high) = (1.4, 1.6)
        let svg = try #require(GatePicture(result)?.svg)
        for part in ["class=\"interval bad\"", "class=\"bound\"", "class=\"point bad\"", "slower &lt;by&gt; half"] {
            #expect(svg.contains(part), "\(part) in \(svg)")
        }
        (result.low, result.high, result.effect) = (nil, nil, nil)
        result.value = .infinity
        #expect(GatePicture(result) == nil)
        result.value = 1.2
        #expect(GatePicture(result)?.svg.contains("interval") == false)
    }

    @Test("An open page is told that something changed, and the shutdown ends the stream")
    func live() async throws {
        let registry = try await RegistryFixture.start()
        let cookie = try await Self.signIn(registry)
        let file = registry.folder.file("events")
        let page = try RunningProcess(
            "/usr/bin/curl", ["-sN", "-H", "Cookie: \(cookie)", registry.operatorOrigin.text + "/live"], log: file)
        try await eventually(within: 10, "the stream begins") { page.output.contains("retry: 3000") }
        try await registry.initializeTrust()
        try await eventually(within: 10, "a change is told") { page.output.contains("event: change") }
        try await registry.stop()
        #expect(try await page.exitCode(within: 10) == 0)
    }

    @Test(
        "The axis of a chart ends at a round number",
        arguments: [(0.0, 1.0), (0.3, 0.5), (1, 1), (7, 10), (11, 20), (180, 200), (501, 1000), (Double.nan, 1)]
            as [(Double, Double)])
    func axis(value: Double, expected: Double) {
        #expect(abs(Chart.niceCeiling(value) - expected) < 1e-9)
    }
}
