import Logging
import MartletTypes
import RegistryStore
import Synchronization

/// What every service of the registry works with.
struct RegistryCore: Sendable {
    let database: any Database
    let blobs: any BlobStore
    let keyring: OnlineKeyring
    let clock: Clock
    let logger: Logger
    let changes: any ChangeFeed
    let presence: Presence
    let metrics: RequestMetrics
    /// How long a device's certificate is good.
    let deviceCertificateLife: Duration
    /// Whether devices wait for an operator's approval where their join token does not say.
    let requiresApproval: Bool
    /// The data folder, where the process has one of its own.
    var dataFolder: DataFolder?
    let connections = DeviceConnections()
    /// The origin of the device listener as devices reach it; set once it is bound.
    let deviceOrigin = DeviceOrigin()
}

/// The device listener's origin, known once its port is.
final class DeviceOrigin: Sendable {
    private let box = Mutex("")

    var value: String { box.withLock { $0 } }
    func set(_ origin: String) { box.withLock { $0 = origin } }
}

/// The registry's own store of TUF metadata; a client's protocol in TUF has the same name.
typealias RoleStore = RegistryStore.MetadataStore
