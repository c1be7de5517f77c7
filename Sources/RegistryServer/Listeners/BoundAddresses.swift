import Glibc
import MartletAPI
import MartletTypes
import RegistryStore
import SystemdNotify
import TUF
import Trust

/// Tells the world where the registry listens, once both listeners are bound: `run/addresses.json` and a line for
/// people.
actor BoundAddresses {
    enum Side: String {
        case `operator`
        case device
    }

    private let configuration: RegistryConfiguration
    private let core: RegistryCore
    private let folder: DataFolder
    private var ports: [Side: Int] = [:]

    init(configuration: RegistryConfiguration, core: RegistryCore, folder: DataFolder) {
        self.configuration = configuration
        self.core = core
        self.folder = folder
    }

    func set(_ side: Side, _ port: Int) async throws {
        ports[side] = port
        if side == .device { core.deviceOrigin.set(try configuration.deviceOrigin(port: port)) }
        guard let operatorPort = ports[.operator], let devicePort = ports[.device] else { return }
        let addresses = [
            "operator": ListenAddress.authority(configuration.operatorAddress.host, operatorPort),
            "device": ListenAddress.authority(configuration.deviceAddress.host, devicePort),
        ]
        let scheme = configuration.security == .plain ? "http" : "https"
        configuration.announce("Operators: \(scheme)://\(addresses["operator"] ?? "")")
        if configuration.security == .own {
            configuration.announce(
                "Log in with: --fingerprint \(core.keyring.authority.facts.sha256Fingerprint)")
        }
        configuration.announce("Devices:   \(core.deviceOrigin.value)")
        let isReady = try await core.database.read {
            try RoleStore($0).currentVersion(of: TopLevelRole.root.rawValue) != nil
        }
        if !isReady { configuration.announce("not ready: no root. Run `martlet trust init` on your own machine.") }
        // Last, because whoever waits for the registry waits for this file.
        try folder.write(try JSONText.encode(addresses), to: folder.addresses, mode: 0o644)
        configuration.notice.ready("Devices: \(core.deviceOrigin.value)")
    }
}

extension RegistryConfiguration {
    /// The origin by which devices reach their listener.
    func deviceOrigin(port: Int) throws -> String {
        if let publicDeviceURL { return publicDeviceURL }
        return "https://"
            + ListenAddress.authority(Self.isWildcard(deviceAddress.host) ? Self.hostName() : deviceAddress.host, port)
    }

    /// The names and addresses that the device listener's certificate holds.
    func deviceHosts() throws -> [String] {
        var hosts: [String] = []
        if let publicDeviceURL {
            var authority = String(publicDeviceURL.dropFirst("https://".count))
            if authority.hasPrefix("[") {
                authority = String(authority.dropFirst().prefix { $0 != "]" })
            } else if let colon = authority.lastIndex(of: ":") {
                authority = String(authority[..<colon])
            }
            hosts.append(authority)
        }
        return Self.unique(hosts + Self.hosts(of: deviceAddress))
    }

    /// The names and addresses that the operators' listener's own certificate holds.
    func operatorHostsOfCertificate() -> [String] { Self.unique(operatorHosts + Self.hosts(of: operatorAddress)) }

    private static func hosts(of address: ListenAddress) -> [String] {
        if isWildcard(address.host) { return [hostName(), "localhost", "127.0.0.1", "::1"] }
        return [address.host] + (address.isLoopback ? ["localhost", "127.0.0.1", "::1"] : [])
    }

    private static func unique(_ hosts: [String]) -> [String] {
        var seen: Set<String> = []
        return hosts.filter { seen.insert($0).inserted }
    }

    private static func isWildcard(_ host: String) -> Bool { host == "0.0.0.0" || host == "::" }

    private static func hostName() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
