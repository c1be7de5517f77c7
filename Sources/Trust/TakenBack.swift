package import MartletTypes

/// What a device has seen publishers take back: floors, and releases whose signature was withdrawn.
///
/// It only ever grows. A registry that later shows older metadata, or none, does not undo it.
package struct TakenBack: Sendable, Hashable, Codable {
    /// Where in the metadata a release was looked for: the version of each role on the way.
    package struct Position: Sendable, Hashable, Codable {
        package var versions: [String: Int]

        package init(versions: [String: Int]) { self.versions = versions }

        /// Whether metadata at this position is newer than at `other`: no role that both passed has gone back, and one
        /// has gone on. Where bins are laid out anew, the namespace's own role has.
        package func isNewer(than other: Position) -> Bool {
            var hasGoneOn = false
            for (role, version) in versions {
                guard let former = other.versions[role] else { continue }
                if version < former { return false }
                if version > former { hasGoneOn = true }
            }
            return hasGoneOn
        }
    }

    /// Why a device does not install or start something.
    package enum Refusal: Sendable, Hashable {
        /// Its publisher withdrew the signature.
        case yanked(ReleasePath)
        /// It is below the floor of its repository.
        case belowFloor(ReleasePath, ReleaseFloor)

        /// The release.
        package var path: ReleasePath {
            switch self {
            case .yanked(let path), .belowFloor(let path, _): path
            }
        }

        /// Whether not even a device on which nothing else can serve starts it.
        package var isFinal: Bool {
            switch self {
            case .yanked: false
            case .belowFloor: true
            }
        }

        /// Stable, for reports.
        package var code: String {
            switch self {
            case .yanked: "yanked"
            case .belowFloor: "belowFloor"
            }
        }

        /// One sentence for people.
        package var message: String {
            switch self {
            case .yanked(let path): return "\(path.reference) was withdrawn by its publisher."
            case .belowFloor(let path, let floor):
                let why = floor.reason.isEmpty ? "" : " (\(floor.reason))"
                return "\(path.reference) is below the floor \(floor.version) that its publisher set\(why)."
            }
        }
    }

    /// The floor of each repository whose floor was seen.
    package private(set) var floors: [RepositoryName: ReleaseFloor] = [:]
    /// Where each withdrawn release was found missing.
    package private(set) var yanked: [ReleasePath: Position] = [:]

    package init() {}

    /// Takes a floor in; one with a lower number than the known is an old statement, and changes nothing.
    package mutating func note(_ floor: ReleaseFloor, of repository: RepositoryName) {
        if let known = floors[repository] {
            // Two statements of one number are the publisher's mistake; the stricter one holds.
            guard (floor.number, floor.version) > (known.number, known.version) else { return }
        }
        floors[repository] = floor
    }

    /// Notes that a release which was published is not there any more.
    package mutating func noteYank(_ path: ReleasePath, at position: Position) {
        if let known = yanked[path], !position.isNewer(than: known) { return }
        yanked[path] = position
    }

    /// Notes that a release is signed; returns false where that is older than the yank that was seen.
    package mutating func noteSigned(_ path: ReleasePath, at position: Position) -> Bool {
        guard let known = yanked[path] else { return true }
        guard position.isNewer(than: known) else { return false }
        yanked[path] = nil
        return true
    }

    /// Takes in all that another copy knows.
    package mutating func merge(_ other: TakenBack) {
        for (repository, floor) in other.floors { note(floor, of: repository) }
        for (path, position) in other.yanked { noteYank(path, at: position) }
    }

    /// Why a release is refused; a floor comes before a yank, since nothing lets that pass.
    package func refusal(of path: ReleasePath) -> Refusal? {
        if let floor = floors[path.repository], path.version < floor.version { return .belowFloor(path, floor) }
        return yanked[path] == nil ? nil : .yanked(path)
    }

    /// Why the first of several releases is refused.
    package func refusal(of releases: [AssignedRelease]) -> Refusal? {
        let refusals = releases.compactMap { refusal(of: $0.path) }
        return refusals.first { $0.isFinal } ?? refusals.first
    }
}
