import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore
import Trust

/// Proves devices: TLS verified that our authority signed the certificate; here it must be known, unrevoked and in
/// time, and its device active. Looked up at each request, so that a revocation works on open connections too.
struct DeviceAuthorizer: Authorizer {
    let core: RegistryCore

    func principal(
        for access: Access, style: RouteStyle, request: Request, context: ServerContext
    ) async throws -> Principal {
        switch access {
        case .open, .enrolling: return .anonymous
        case .atLeast: throw ServerError.noRoute
        case .device:
            guard let facts = try await context.peerCertificate() else {
                throw ServerError(
                    401, "certificateNeeded", "This needs the device's certificate.",
                    remedy: "Enrol the device with a join token.")
            }
            let found = try await core.database.read {
                try DeviceStore($0).find(fingerprint: facts.sha256Fingerprint)
            }
            guard let (device, certificate) = found, device.device.text == facts.commonName else {
                throw ServerError.unknownDevice
            }
            try Self.check(device, certificate, now: core.clock())
            core.presence.saw(device.device)
            return .device(device.device)
        }
    }

    private static func check(_ device: DeviceRow, _ certificate: DeviceCertificate, now: Timestamp) throws {
        guard certificate.revoked == nil, device.state != .revoked else {
            throw ServerError(
                403, "revokedDevice", "The certificate of device \(device.device) was revoked.",
                remedy: "Enrol the device again with a new join token.")
        }
        guard certificate.expires > now else {
            throw ServerError(
                401, "certificateExpired",
                "The certificate of device \(device.device) ended at \(certificate.expires).",
                remedy: "Renew it.")
        }
        switch device.state {
        case .active, .revoked: return
        case .held:
            throw ServerError(
                403, "heldDevice", "Device \(device.device) is held: \(device.stateReason ?? "an operator must look").",
                remedy: "An operator must revoke it and enrol the right box again.")
        case .pending:
            throw ServerError(
                403, "pendingDevice", "Device \(device.device) waits for an operator's approval.", remedy: "Wait.")
        }
    }
}
