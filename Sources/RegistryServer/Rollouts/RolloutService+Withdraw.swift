import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension RolloutService {
    /// Takes offers of a release back from devices that do not run it yet, and pauses rollouts that would make more.
    ///
    /// A device that runs it goes on until an operator takes it back: an outage is not for this to decide. Returns the
    /// number of devices whose offer was taken back.
    static func withdrawOffers(
        of path: ReleasePath, because reason: String, _ driver: inout RolloutDriver
    ) throws -> Int {
        for id in try RolloutStore(driver.sql).open() {
            let pause = RolloutEvent.pause(by: actor, reason: reason)
            guard try driver.rollout(id)?.releases.contains(path) ?? false, try driver.permits(pause, id) else {
                continue
            }
            try driver.tell(pause, id)
        }
        let releases = ReleaseStore(driver.sql)
        func places(_ phase: SlotPhase) throws -> Set<Place> {
            Set(try releases.users(of: path, phase: phase).map { Place(device: $0.device, slot: $0.slot) })
        }
        let running = try places(.current)
        var verdicts = RestoreVerdicts(driver.sql)
        var moves: [DesiredMove] = []
        for place in try places(.desired).subtracting(running).sorted(by: { $0.device < $1.device }) {
            var desired: DesiredSlot?
            var isStanding = false
            if case .to(let before) = try way(place.device, place.slot, nil, driver.sql, &verdicts) {
                desired = before
            } else if let standing = try standing(place, driver.sql) {
                // What it runs was taken back too. To empty the slot would end it, and it installs nothing by staying.
                (desired, isStanding) = (standing, true)
            }
            desired?.rollout = nil
            moves.append(
                DesiredMove(
                    device: place.device, slot: place.slot, desired: desired, isRestore: true, isStanding: isStanding,
                    actor: actor, reason: reason))
        }
        try driver.move(moves, by: actor)
        return moves.count
    }

    /// What a slot runs, by its last inventory; nil where it runs nothing.
    private static func standing(_ place: Place, _ sql: any SQLConnection) throws -> DesiredSlot? {
        guard let row = try SlotStore(sql).slots(of: place.device)[place.slot], var desired = row.desired,
            let running = row.reported?.current, !running.isEmpty
        else { return nil }
        desired.releases = running
        return desired
    }

    private struct Place: Hashable {
        let device: DeviceID
        let slot: SlotName
    }

    private static let actor = "registry"
}
