import MartletTypes

/// The options of `martlet-registry serve`, each of which may be a variable too.
enum RegistryOption: String, OptionName {
    static let prefix = "MARTLET_REGISTRY"

    case data
    case operatorAddress = "operator-address"
    case deviceAddress = "device-address"
    case publicDeviceURL = "public-device-url"
    case operatorTLSCertificate = "operator-tls-cert"
    case operatorTLSKey = "operator-tls-key"
    case operatorTLS = "operator-tls"
    case operatorHosts = "operator-hosts"
    case deviceCertificateLife = "device-certificate-life"
    case requireApproval = "require-approval"
    case webhookNetwork = "webhook-network"
    case webhookAuthority = "webhook-ca"
    case webhookAttempts = "webhook-attempts"
    case webhookFirstPause = "webhook-first-pause"
    case webhookDisableAfter = "webhook-disable-after"
    case assetsFolder = "assets-dir"
    case adminTokenFile = "admin-token-file"
    case logLevel = "log-level"
}

/// What was said to the registry.
typealias RegistryOptions = ProgramOptions<RegistryOption>
