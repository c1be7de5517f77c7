/// The profiles a program knows.
package struct ProfileCatalog: Sendable {
    /// All profiles, by descending priority, then by id.
    package let profiles: [DeviceProfile]

    /// Takes profiles; throws `duplicateProfile` where two have one id.
    package init(_ profiles: [DeviceProfile]) throws(DeviceProfileError) {
        var ids: Set<String> = []
        for profile in profiles where !ids.insert(profile.id).inserted {
            throw DeviceProfileError(.duplicateProfile, profile.id, "stands there twice")
        }
        self.profiles = profiles.sorted { ($1.priority, $0.id) < ($0.priority, $1.id) }
    }

    /// The profiles of `device-profiles/`, which are carried in the program.
    package static func embedded() throws(DeviceProfileError) -> ProfileCatalog {
        var profiles: [DeviceProfile] = []
        for (name, json) in embeddedProfiles {
            profiles.append(try DeviceProfile(json: Array(json.utf8), name: name))
        }
        return try ProfileCatalog(profiles)
    }

    /// The profile with this id; throws `unknownProfile`.
    package func profile(_ id: String) throws(DeviceProfileError) -> DeviceProfile {
        guard let profile = profiles.first(where: { $0.id == id }) else {
            let known = profiles.map(\.id).sorted().joined(separator: ", ")
            throw DeviceProfileError(.unknownProfile, id, "does not exist; there are \(known)")
        }
        return profile
    }

    /// The first profile, by priority, whose conditions all hold; throws `noProfileMatches` naming what did not.
    package func match(_ facts: HardwareFacts) throws(DeviceProfileError) -> DeviceProfile {
        var mismatches: [String] = []
        for profile in profiles {
            guard let mismatch = profile.match.mismatch(facts) else { return profile }
            mismatches.append("\(profile.id) does not match: \(mismatch)")
        }
        throw DeviceProfileError(.noProfileMatches, "match", mismatches.joined(separator: "; "))
    }
}
