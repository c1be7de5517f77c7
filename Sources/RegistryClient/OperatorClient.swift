internal import HTTPTypes
package import MartletAPI
package import MartletTypes

/// Every call of the operators' API, typed.
package struct OperatorClient: Sendable {
    /// Calls by route, for what has no method of its own.
    package let api: APICaller

    package init(http: HTTPClient) { api = APICaller(http: http) }

    /// What the registry is and whether it can serve.
    package func status() async throws(ClientError) -> RegistryStatus {
        try await api.get(OperatorRoutes.status, as: RegistryStatus.self)
    }

    /// The token that calls.
    package func whoAmI() async throws(ClientError) -> Caller {
        try await api.get(OperatorRoutes.whoAmI, as: Caller.self)
    }

    // MARK: - Trust

    /// The public halves of the registry's online keys.
    package func onlineKeys() async throws(ClientError) -> OnlineKeys {
        try await api.get(OperatorRoutes.onlineKeys, as: OnlineKeys.self)
    }

    /// Uploads the first signed metadata; the registry becomes ready.
    package func initializeTrust(_ metadata: TrustInitialization) async throws(ClientError) {
        try await api.send(OperatorRoutes.initializeTrust, body: metadata)
    }

    /// Puts the next version of a signed role; `versionConflict` where another came first.
    package func putRole(_ role: String, bytes: [UInt8]) async throws(ClientError) -> RoleReceipt {
        var call = api.call(OperatorRoutes.putRole, ["role": role])
        call.body = .bytes(bytes)
        call.fields[.contentType] = "application/json"
        let reply = try await api.send(call)
        do {
            return try JSONText.decode(RoleReceipt.self, from: reply.body)
        } catch {
            throw ClientError(.malformedReply, "PUT \(call.target)", "the answer is no receipt for a role")
        }
    }

    /// Makes the next key of a kind, not used before owners have signed for it; the same again where there is one.
    package func makeOnlineKey(_ name: OnlineKeyName) async throws(ClientError) -> OnlineKeys {
        try await api.send(
            OperatorRoutes.makeOnlineKey, ["name": name.rawValue], body: [String: String](), as: OnlineKeys.self)
    }

    /// Puts several signed roles at once; `versionConflict` where another change came first.
    package func change(_ change: TrustChange) async throws(ClientError) -> TrustReceipt {
        try await api.send(OperatorRoutes.changeTrust, body: change, as: TrustReceipt.self)
    }

    /// Changes that wait for signatures, oldest first.
    package func proposals() async throws(ClientError) -> [Proposal] {
        try await api.list(OperatorRoutes.proposals, of: Proposal.self)
    }

    /// One of them.
    package func proposal(_ id: String) async throws(ClientError) -> Proposal {
        try await api.get(OperatorRoutes.proposal, ["proposal": id], as: Proposal.self)
    }

    /// Keeps a change until others have signed it.
    package func propose(_ request: ProposalRequest) async throws(ClientError) -> ProposalAnswer {
        try await api.send(OperatorRoutes.propose, body: request, as: ProposalAnswer.self)
    }

    /// Adds signatures; the change takes effect with the last one that is needed.
    package func sign(_ id: String, _ change: TrustChange) async throws(ClientError) -> ProposalAnswer {
        try await api.send(OperatorRoutes.signProposal, ["proposal": id], body: change, as: ProposalAnswer.self)
    }

    /// Withdraws one.
    package func deleteProposal(_ id: String) async throws(ClientError) {
        try await api.send(OperatorRoutes.deleteProposal, ["proposal": id])
    }

    /// Signs assignments, snapshot and timestamp for devices without a network.
    package func signOffline(_ request: OfflineRequest) async throws(ClientError) -> OfflineSignatures {
        try await api.send(OperatorRoutes.signOffline, body: request, as: OfflineSignatures.self)
    }

    /// Takes over metadata of another registry of the same owner; the same again changes nothing.
    package func importMetadata(_ metadata: MetadataImport) async throws(ClientError) -> MetadataImportReceipt {
        try await api.send(OperatorRoutes.importMetadata, body: metadata, as: MetadataImportReceipt.self)
    }

    // MARK: - Releases

    /// All releases, of one repository where given, newest first.
    package func releases(of repository: RepositoryName? = nil) async throws(ClientError) -> [ReleaseInfo] {
        try await api.list(OperatorRoutes.releases, query: Self.query(repository), of: ReleaseInfo.self)
    }

    /// One release.
    package func release(_ path: ReleasePath) async throws(ClientError) -> ReleaseInfo {
        try await api.get(OperatorRoutes.release, ["path": path.text], as: ReleaseInfo.self)
    }

    /// Blocks or unblocks a release, at once.
    package func block(_ request: BlockRequest) async throws(ClientError) -> ReleaseInfo {
        try await api.send(OperatorRoutes.block, body: request, as: ReleaseInfo.self)
    }

    /// All aliases, of one repository where given.
    package func aliases(of repository: RepositoryName? = nil) async throws(ClientError) -> [Alias] {
        try await api.list(OperatorRoutes.aliases, query: Self.query(repository), of: Alias.self)
    }

    /// Points an alias at a release.
    package func putAlias(_ alias: Alias) async throws(ClientError) -> Alias {
        try await api.send(OperatorRoutes.putAlias, body: alias, as: Alias.self)
    }

    /// The release that a reference names: itself, or what its alias points at.
    package func resolve(_ reference: ReleaseReference) async throws(ClientError) -> ReleasePath {
        switch reference {
        case .version(let path): return path
        case .alias(let repository, let name):
            guard let alias = try await aliases(of: repository).first(where: { $0.name == name }) else {
                let problem = Problem(
                    status: 404, code: "unknownAlias", title: "Unknown alias",
                    detail: "There is no alias \(reference).",
                    remedy: "`martlet alias list --repository \(repository)` shows those that exist.")
                throw ClientError(.problem, reference.description, problem.detail, status: 404, problem: problem)
            }
            return ReleasePath(repository: repository, version: alias.version)
        }
    }

    private static func query(_ repository: RepositoryName?) -> [String: String] {
        repository.map { ["repository": $0.text] } ?? [:]
    }
}
