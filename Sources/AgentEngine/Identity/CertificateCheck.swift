internal import AgentStore
internal import MartletAPI
internal import MartletTypes
internal import Trust

/// Whether a registry's answer to a certificate request is what was asked for.
enum CertificateCheck {
    /// What the certificate says, where it is the device's, for the device's key, and by an authority that is believed.
    ///
    /// `authorities` are SHA-256 fingerprints in hexadecimal. Throws `badAnswer`, `authorityMismatch`.
    static func facts(
        of answer: EnrolAnswer, device: DeviceID, key: KeyPair, authorities: Set<String>
    ) throws -> CertificateFacts {
        let facts: CertificateFacts
        let authority: CertificateFacts
        do {
            facts = try CertificateFacts(Array(answer.certificate.utf8))
            authority = try CertificateFacts(Array(answer.authority.utf8))
        } catch {
            throw bad("it cannot be read: \(ErrorSummary(error).message)")
        }
        guard facts.publicKeyDER == key.publicKeyDER else { throw bad("it is for another key") }
        guard facts.commonName == device.text, answer.device == device else {
            throw bad("it is for \(facts.commonName), not for \(device)")
        }
        guard !facts.isAuthority, facts.notBefore < facts.notAfter else { throw bad("it is no device's certificate") }
        guard authorities.contains(authority.sha256Fingerprint) else {
            throw AgentError(
                .authorityMismatch,
                "The registry's answer names the authority \(authority.sha256Fingerprint), which is not believed.",
                remedy: "Check the registry's address; enrol again with a new join token if its authority changed.",
                fault: .peer)
        }
        return facts
    }

    private static func bad(_ why: String) -> AgentError {
        AgentError(
            .badAnswer, "The registry's certificate for this device is refused: \(why).",
            remedy: "Check that the address is that of a Martlet registry, and its version.", fault: .peer)
    }
}
