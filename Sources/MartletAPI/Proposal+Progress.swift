internal import MartletTypes
package import TUF

extension Proposal.Progress {
    /// Counts the signatures of one role's document.
    ///
    /// `verifiers` are those whose keys must each reach their threshold: of root the former and the new. Throws
    /// `TUFError` (`unsignable`) where the document has no canonical form.
    package init(of role: String, _ envelope: SignedEnvelope, by verifiers: [RoleVerifier]) throws(TUFError) {
        var signed = Set<String>()
        for verifier in verifiers { signed.formUnion(try envelope.signers(of: verifier)) }
        self.init(
            role: role, version: envelope.signed["version"]?.integer ?? 0, signed: signed.sorted(),
            unsigned: Set(verifiers.flatMap(\.keys.keys)).subtracting(signed).sorted(),
            needed: verifiers.map(\.threshold).max() ?? 1, isComplete: try envelope.isSigned(by: verifiers))
    }
}
