package import MartletAPI
package import MartletTypes
internal import TUF

/// The roles of a registry's metadata as people think of them: a namespace and its bins are one thing.
package struct MetadataRoles: Sendable {
    /// A standard role, or a namespace with its bins.
    package struct Group: Sendable {
        package let name: String
        /// Its own version.
        package var version: Int64
        /// How many bins it has; 0 for a standard role.
        package var bins = 0
        /// When the first part of it ends.
        package var ends: Timestamp

        /// Whether it is no standard role.
        package var isNamespace: Bool { TopLevelRole(rawValue: name) == nil }

        mutating func add(binThatEnds end: Timestamp) {
            bins += 1
            ends = min(ends, end)
        }
    }

    /// A role that ends soon, or has ended.
    package struct Warning: Sendable, Encodable, Equatable {
        /// The role, or the namespace.
        package let role: String
        /// When it ends or ended.
        package let ends: Timestamp
        /// That it does, in a sentence.
        package let message: String
        /// Who mends it, and how.
        package let remedy: String

        /// Both, for people.
        package var text: String { "warning: \(message)\n  \(remedy)" }
    }

    /// Days before the end of a role that a person signs from which on it is spoken of.
    package static let warningDays = 10

    /// The standard roles, then the namespaces by name.
    package let groups: [Group]

    /// From what the registry says of itself, which is not verified.
    package init(_ status: RegistryStatus) {
        var groups: [String: Group] = [:]
        for (role, version) in status.metadataVersions.sorted(by: { $0.key < $1.key }) {
            guard let ends = status.metadataExpiries[role] else { continue }
            if let namespace = Self.namespace(ofBin: role), status.metadataVersions[namespace] != nil {
                // The role itself sorts before its bins, so that it is there already.
                groups[namespace]?.add(binThatEnds: ends)
            } else {
                groups[role] = Group(name: role, version: version, ends: ends)
            }
        }
        let standard = TopLevelRole.allCases.compactMap { groups[$0.rawValue] }
        self.groups = standard + groups.values.filter(\.isNamespace).sorted { $0.name < $1.name }
    }

    /// `clinic-bin-3` is a bin of `clinic`.
    private static func namespace(ofBin role: String) -> String? {
        guard let range = role.ranges(of: "-bin-").last, role[range.upperBound...].allSatisfy(\.isHexDigit) else {
            return nil
        }
        return String(role[..<range.lowerBound])
    }

    /// What ends soon and has to be signed by someone. The registry signs snapshot and timestamp by itself at half of
    /// their life, so that those are named only when it did not.
    package func warnings(now: Timestamp) -> [Warning] {
        groups.compactMap { group in
            let role = TopLevelRole(rawValue: group.name)
            let notice: Duration =
                switch role {
                case .snapshot: MetadataLifetime.snapshot / 4
                case .timestamp: MetadataLifetime.timestamp / 4
                case .root, .targets, nil: .seconds(Self.warningDays * 86_400)
                }
            guard group.ends - now < notice else { return nil }
            let remedy =
                switch role {
                case .root: "Its owner runs `martlet trust renew --root-key FILE`."
                case .targets: "Its owner runs `martlet trust renew --targets-key FILE`."
                case .snapshot, .timestamp: "The registry should have signed it again by itself: see its log."
                case nil: "A publisher of it runs `martlet trust renew --namespace \(group.name)`."
                }
            let what = group.isNamespace ? "The namespace \(group.name)" : "The \(group.name) metadata"
            let hours = (group.ends - now).components.seconds / 3600
            let message =
                group.ends <= now
                ? "\(what) ended at \(group.ends); devices install nothing by it."
                : "\(what) ends at \(group.ends), in "
                    + (hours < 48 ? "\(hours) hours." : "\(hours / 24) days.")
            return Warning(role: group.name, ends: group.ends, message: message, remedy: remedy)
        }
    }
}
