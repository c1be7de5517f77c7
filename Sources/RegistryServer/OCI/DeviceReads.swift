import MartletTypes
import RegistryStore

/// What a device may read: what its slots name, as far as it was told to run it.
///
/// A device says itself what it runs and ran. Its word counts only for releases that were assigned to it once:
/// otherwise one captured box could read every release of every namespace by claiming to run it.
struct DeviceReads {
    private let sql: any SQLConnection

    init(_ sql: any SQLConnection) { self.sql = sql }

    func mayRead(_ device: DeviceID, _ repository: RepositoryName, _ digest: Digest) throws -> Bool {
        guard try ReadAccess(sql).mayRead(device, repository, digest) else { return false }
        let slots = try SlotStore(sql).slots(of: device).values
        let releases = ReleaseStore(sql)
        func reaches(_ paths: Set<ReleasePath>) throws -> Bool {
            for path in paths where path.repository == repository {
                if try releases.objects(of: path).contains(digest) { return true }
            }
            return false
        }
        if try reaches(Set(slots.flatMap { $0.desired?.releases ?? [] })) { return true }
        let claimed = Set(slots.flatMap { ($0.reported?.current ?? []) + ($0.reported?.previous ?? []) })
        let assigned = Set(try AssignmentStore(sql).history(of: device).flatMap(\.releases))
        return try reaches(claimed.intersection(assigned))
    }
}
