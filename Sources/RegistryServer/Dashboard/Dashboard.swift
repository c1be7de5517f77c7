import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore

/// The routes of the dashboard, which stand in the one table like all others.
enum DashboardRoutes {
    static let overview = Route(.get, "/", .atLeast(.viewer), limits: .all)
    static let devices = Route(.get, "/devices", .atLeast(.viewer), limits: .all)
    static let device = Route(.get, "/devices/{device}", .atLeast(.viewer), limits: .all)
    static let rollouts = Route(.get, "/rollouts", .atLeast(.viewer), limits: .all)
    static let rollout = Route(.get, "/rollouts/{rollout}", .atLeast(.viewer), limits: .all)
    static let releases = Route(.get, "/releases", .atLeast(.viewer), limits: .all)
    static let release = Route(.get, "/releases/{path+}", .atLeast(.viewer), limits: .all)
    static let live = Route(.get, "/live", .atLeast(.viewer), limits: .all)
    static let loginForm = Route(.get, "/login", .open)
    static let login = Route(.post, "/login", .open)
    static let logout = Route(.post, "/logout", .open)
    static let file = Route(.get, "/static/{file}", .open)

    static let all = [
        overview, devices, device, rollouts, rollout, releases, release, live, loginForm, login, logout, file,
    ]
}

/// Pages for people: drawn here, readable without script, refreshed by one small one.
struct Dashboard: Sendable {
    let service: OperatorService
    let renderer: PageRenderer
    let live: LiveStreams
    let login: LoginForm

    func endpoints() -> [Endpoint] {
        [
            page(DashboardRoutes.overview, "overview", "Overview") { try await overview($0) },
            page(DashboardRoutes.devices, "devices", "Devices") { exchange in
                let now = service.core.clock()
                let page = try await service.devices(exchange)
                let rows = page.items.map { DeviceRowView($0, now: now) }
                return ["hasDevices": !rows.isEmpty, "deviceRows": rows].merging(Self.next(page.next)) { $1 }
            },
            page(DashboardRoutes.device, "device", "Devices") { try await device($0) },
            page(DashboardRoutes.rollouts, "rollouts", "Rollouts") { exchange in
                let page = try await service.rollouts.rollouts(
                    before: try exchange.query("cursor", as: RolloutID.self),
                    limit: try OperatorService.pageLimit(exchange), within: try exchange.reach)
                let rows = page.items.map(RolloutRowView.init)
                return ["hasRollouts": !rows.isEmpty, "rollouts": rows].merging(Self.next(page.next)) { $1 }
            },
            page(DashboardRoutes.rollout, "rollout", "Rollouts") { try await rollout($0) },
            page(DashboardRoutes.releases, "releases", "Releases") { exchange in
                let page = try await service.releases(exchange)
                let rows = page.items.map(ReleaseRowView.init)
                return ["hasReleases": !rows.isEmpty, "releaseRows": rows].merging(Self.next(page.next)) { $1 }
            },
            page(DashboardRoutes.release, "release", "Releases") { try await release($0) },
            Endpoint(route: DashboardRoutes.live, style: .page) { try live.answer(on: $0.context.channel.eventLoop) },
            Endpoint(route: DashboardRoutes.loginForm, style: .page) { _ in try login.form() },
            Endpoint(route: DashboardRoutes.login, style: .page) { try await login.submit($0) },
            Endpoint(route: DashboardRoutes.logout, style: .page) { try login.end($0) },
            Endpoint(route: DashboardRoutes.file, style: .page) { try renderer.file($0.text("file")) },
        ]
    }

    /// The link to the next page; absent on the last one.
    private static func next(_ cursor: String?) -> [String: Any] {
        cursor.map { ["next": PercentEncoding.encode($0)] } ?? [:]
    }

    private struct Navigation {
        let label: String
        let href: String
        let current: Bool
    }

    /// A page inside the frame; what goes wrong is a page too.
    private func page(
        _ route: Route, _ template: String, _ section: String,
        _ content: @escaping @Sendable (Exchange) async throws -> [String: Any]
    ) -> Endpoint {
        Endpoint(route: route, style: .page) { exchange in
            do {
                let values = try await content(exchange)
                return try renderer.page(template, try await frame(exchange, section).merging(values) { $1 })
            } catch {
                let refusal = ErrorAnswer.refusal(for: error)
                // Our own failures are logged and answered by the dispatcher.
                guard refusal.status < 500, refusal.status != 401 else { throw error }
                let values: [String: Any] = [
                    "title": "Not found", "heading": "That did not work",
                    "text": "\(refusal.message) \(refusal.remedy)",
                ]
                return try renderer.page(
                    "message", try await frame(exchange, section).merging(values) { $1 },
                    status: .init(code: refusal.status))
            }
        }
    }

    private func frame(_ exchange: Exchange, _ section: String) async throws -> [String: Any] {
        let core = service.core
        let now = core.clock()
        let expiries = try await core.database.read { sql in
            Dictionary(uniqueKeysWithValues: try RoleStore(sql).versions().map { ($0.role, $0.expires) })
        }
        let sections = [
            ("Overview", "/"), ("Devices", "/devices"), ("Rollouts", "/rollouts"), ("Releases", "/releases"),
        ]
        return [
            "title": section, "version": RegistryVersion.text, "now": PageWords.time(now), "live": true,
            "readiness": OperatorService.readiness(expiries, now: now),
            "user": exchange.actor,
            "navigation": sections.map { Navigation(label: $0.0, href: $0.1, current: $0.0 == section) },
        ]
    }
}
