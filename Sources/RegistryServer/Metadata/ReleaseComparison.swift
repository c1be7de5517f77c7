import MartletTypes
import RegistryStore
import TUF
import Trust

/// Compares two versions of a bin, release by release.
struct ReleaseComparison {
    let role: String
    let namespace: String
    let delegations: Delegations?
    let walk: ReleaseWalk

    /// Adds to the plan what the next version publishes and withdraws; throws where a published version would change.
    func compare(_ next: TargetsMetadata, with previous: TargetsMetadata?, _ plan: inout ChangePlan) throws {
        let old = previous?.targets ?? [:]
        for (name, target) in next.targets.sorted(by: { $0.key < $1.key }) {
            if let repository = ReleaseFloor.repository(ofPath: name) {
                try compare(floor: target, with: old[name], of: repository, &plan)
                continue
            }
            if let before = old[name] {
                guard before.length == target.length, before.hashes == target.hashes else {
                    throw ServerError.conflict(
                        "alreadyExists", "\(name) is published with other content, and versions are immutable.",
                        remedy: "Publish the changed content under a new version.", field: name)
                }
                continue
            }
            let path = try Self.releasePath(name)
            guard path.repository.namespace == namespace, covers(name) else {
                throw ServerError.unprocessable(
                    "notDelegated", "Role \(role) is not trusted for \(name).", remedy: "Sign it in the right role.",
                    field: name)
            }
            plan.published.append(try walk.walk(path, target))
        }
        for name in old.keys.sorted() where next.targets[name] == nil {
            guard ReleaseFloor.repository(ofPath: name) == nil else {
                throw ServerError.unprocessable(
                    "floorRemoved",
                    "\(name) may not be removed: a floor is lowered by a statement with a higher number.",
                    remedy: "Use `martlet floor --lower`.", field: name)
            }
            plan.withdrawn.append(try Self.releasePath(name))
        }
    }

    /// A floor may change, by a statement with a higher number.
    private func compare(
        floor target: TargetFile, with before: TargetFile?, of repository: RepositoryName, _ plan: inout ChangePlan
    ) throws {
        guard target != before else { return }
        let name = ReleaseFloor.path(of: repository)
        guard repository.namespace == namespace, covers(name) else {
            throw ServerError.unprocessable(
                "notDelegated", "Role \(role) is not trusted for \(name).", remedy: "Sign it in the right role.",
                field: name)
        }
        let floor: ReleaseFloor
        do {
            floor = try ReleaseFloor(target, of: repository)
        } catch let error as InvalidValue {
            throw ServerError.unprocessable(error.code, error.message, remedy: error.remedy, field: name)
        }
        let store = FloorStore(walk.sql)
        if let known = try store.floor(of: repository), floor.number <= known.number {
            throw ServerError.conflict(
                "floorOutdated",
                "The floor of \(repository) has number \(known.number), and \(floor.number) is not above.",
                remedy: "Set the floor again over the one that stands.", field: name)
        }
        guard try ReleaseStore(walk.sql).list(repository: repository, limit: 1).first != nil else {
            throw ServerError.unprocessable(
                "unknownRepository", "Nothing is published in \(repository).",
                remedy: "Publish a release before setting a floor.", field: name)
        }
        plan.floors.append(ChangePlan.Floor(repository: repository, floor: floor))
    }

    /// Whether a device would look for the path in this role.
    private func covers(_ path: String) -> Bool {
        delegations?.roles(covering: path).contains { $0.name == role } ?? false
    }

    private static func releasePath(_ name: String) throws -> ReleasePath {
        do {
            return try ReleasePath(name)
        } catch {
            throw ServerError.unprocessable(error.code, error.message, remedy: error.remedy, field: name)
        }
    }
}
