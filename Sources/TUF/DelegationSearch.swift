/// The search for one target through the delegations: which role to look at next, without loading anything.
///
/// Pre-order and depth first, siblings in the order in which they stand, no further siblings after a terminating role
/// that covers the path, no role twice. Source: TUF 1.0 section 5.6.7.
struct DelegationSearch {
    /// A role to look at, with the keys by which its delegator verifies it.
    struct Step {
        let role: String
        let verifier: RoleVerifier
    }

    /// What a visited role says.
    enum Finding {
        case found(TargetFile)
        case goOn
    }

    private let path: String
    private let limit: Int
    private var stack: [Step]
    private var visited = Set<String>()

    init(path: String, root: RootMetadata, limit: Int) {
        self.path = path
        self.limit = limit
        stack = [Step(role: TargetsMetadata.type, verifier: root.verifier(for: .targets))]
    }

    /// The next role; nil where the search has ended without a target. Throws `tooManyDelegations` beyond the limit.
    mutating func next() throws(TUFError) -> Step? {
        while let step = stack.popLast() {
            guard visited.insert(step.role).inserted else { continue }
            guard visited.count <= limit + 1 else {
                throw TUFError(
                    .tooManyDelegations, role: step.role, "\(path) is looked for in more than \(limit) delegated roles."
                )
            }
            return step
        }
        return nil
    }

    /// Takes what a role says about the path and queues the roles that it delegates the path to.
    mutating func visit(_ targets: TargetsMetadata) -> Finding {
        if let file = targets.targets[path] { return .found(file) }
        guard let delegations = targets.delegations else { return .goOn }
        var children: [Step] = []
        for (name, terminating) in delegations.roles(covering: path) {
            guard let verifier = delegations.verifier(for: name) else { continue }
            children.append(Step(role: name, verifier: verifier))
            if terminating {
                stack = []
                break
            }
        }
        stack += children.reversed()
        return .goOn
    }
}
